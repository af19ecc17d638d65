"""Which documents are for training and which are held out.

A document is drawn by a hash, not by its position: adding documents moves none of those that are there. Documents that
nearly repeat each other share a side, so that nothing held out has been read in training under another title.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from twin_assets.documents import CATEGORIES, Category, CleanedDocument, Split, SplitRule, content_hash
from twin_assets.errors import UserError

MIN_DOCUMENTS = 6
MIN_WORDS = 3_000
"""Less than this is too little to learn a style from and to measure it: Burrows' Delta wants blocks of 1,000 words."""
MIN_TEST_CLUSTERS = 2
MIN_TRAIN_CLUSTERS = 3
MIN_CLUSTERS_TO_HOLD_ONE_OUT = 4
"""A category with this many distinct documents or more has its share of them in the test split."""

_PROSE: tuple[Category, ...] = ("articles", "posts")


class TooLittleTextError(UserError):
    """An author has written, or has given, too little to train a twin and to hold something out."""


MIN_CLUSTERS_FOR_VALIDATION = 50
"""From so many distinct documents on some are kept for validation; a smaller author has none to spare."""


class _Cluster(NamedTuple):
    """A document together with those that nearly repeat it."""

    draw: float
    root: str
    category: Category
    n_words: int
    published: date | None


def split_documents(documents: Sequence[CleanedDocument], rule: SplitRule) -> dict[str, Split]:
    """Return the side of every document of an author.

    A cluster of near-duplicates is held out if the hash of the seed and of its root's id, read as a number in [0, 1),
    falls below `test_fraction`, and is for validation if it falls below `test_fraction + validation_fraction`. So a
    document keeps its side when others are added, with one exception: a small corpus is guaranteed a minimum on either
    side, filled with the clusters of the lowest numbers (for test) and of the highest (for train). Guaranteed for test
    are one cluster of prose if there are two, of every category that has at least four the whole number below
    `test_fraction` of them (or one), and two altogether; for train, one of prose and three altogether. As a corpus
    grows, a cluster that was there only to fill a minimum may give its place to one with a lower (higher) number.

    With `test_since` the test side is what was first published since that day, and nothing else.

    Args:
        documents: All cleaned documents of one author.
        rule: How they are drawn.

    Returns:
        `document_id` -> `train`, `validation` or `test`.

    Raises:
        TooLittleTextError: If there are fewer than 6 distinct documents or fewer than 3,000 words in them, or too few
            before or after `test_since`.
        ValueError: If the shares are not between 0 and 1, or leave nothing to train on.
    """
    if not 0 < rule.test_fraction < 1:
        raise ValueError(f"test_fraction is {rule.test_fraction}: choose a share between 0 and 1, such as 0.15.")
    if not 0 <= rule.validation_fraction < 1 - rule.test_fraction:
        raise ValueError(
            f"validation_fraction is {rule.validation_fraction} beside a test_fraction of {rule.test_fraction}: leave "
            "something to train on."
        )
    roots = cluster_roots(documents)
    clusters = sorted(_clusters(documents, roots, rule.seed), key=lambda cluster: (cluster.draw, cluster.root))
    author = documents[0].author if documents else "The author"
    n_words = sum(cluster.n_words for cluster in clusters)
    if len(clusters) < MIN_DOCUMENTS or n_words < MIN_WORDS:
        raise TooLittleTextError(
            f"{author} has {_counted(len(clusters), 'distinct document')} and {_counted(n_words, 'word')}; a twin "
            f"needs at least {MIN_DOCUMENTS} documents and {MIN_WORDS:,} words: add writings to its sources."
        )
    if rule.test_since:
        held_out = _published_since(clusters, rule.test_since, author)
    else:
        held_out = _held_out(clusters, rule.test_fraction)
    validation = _for_validation(clusters, held_out, rule)
    return {document.document_id: _side(roots[document.document_id], held_out, validation) for document in documents}


def cluster_roots(documents: Iterable[CleanedDocument]) -> dict[str, str]:
    """Return, for every document, the id of the document that its cluster of near-duplicates goes back to.

    That id need not be among the documents: the one that was repeated may have been deleted since.
    """
    parents = {document.document_id: document.duplicate_of for document in documents}
    return {document_id: _root(document_id, parents) for document_id in parents}


def _root(document_id: str, parents: Mapping[str, str | None]) -> str:
    visited = [document_id]
    while (parent := parents.get(visited[-1])) is not None:
        if parent in visited:
            # Two that name each other: either would do, so long as it is the same for both.
            return min(visited[visited.index(parent) :])
        visited.append(parent)
    return visited[-1]


def _clusters(documents: Iterable[CleanedDocument], roots: Mapping[str, str], seed: int) -> Iterable[_Cluster]:
    members: dict[str, list[CleanedDocument]] = defaultdict(list)
    for document in documents:
        members[roots[document.document_id]].append(document)
    for root, repeating in members.items():
        # The root speaks for its cluster; where it has been deleted, the first of the others.
        first = min(repeating, key=lambda document: (document.document_id != root, document.document_id))
        draw = int(content_hash([seed, root])[:13], 16) / 16**13
        dates = [document.published_at.date() for document in repeating if document.published_at]
        yield _Cluster(draw, root, first.category, first.n_words, min(dates, default=None))


def _held_out(clusters: Sequence[_Cluster], test_fraction: float) -> set[str]:
    """Return the roots of the clusters in the test split; `clusters` are in the order of their draw."""
    prose = [cluster.root for cluster in clusters if cluster.category in _PROSE]
    held_out = set(prose[:1]) if len(prose) > 1 else set()
    for category in CATEGORIES:
        of_category = [cluster.root for cluster in clusters if cluster.category == category]
        share = max(1, int(test_fraction * len(of_category)))
        held_out |= set(of_category[:share]) if len(of_category) >= MIN_CLUSTERS_TO_HOLD_ONE_OUT else set()
    for cluster in clusters:
        if len(held_out) == len(clusters) - MIN_TRAIN_CLUSTERS:
            break
        wanted = cluster.draw < test_fraction or len(held_out) < MIN_TEST_CLUSTERS
        if wanted and cluster.root not in prose[-1:]:
            held_out.add(cluster.root)
    return held_out


def _published_since(clusters: Sequence[_Cluster], day: date, author: str) -> set[str]:
    held_out = {cluster.root for cluster in clusters if cluster.published and cluster.published >= day}
    if len(held_out) < MIN_TEST_CLUSTERS or len(clusters) - len(held_out) < MIN_TRAIN_CLUSTERS:
        raise TooLittleTextError(
            f"{author} has {_counted(len(held_out), 'distinct document')} published since {day} and "
            f"{len(clusters) - len(held_out)} before or undated; {MIN_TEST_CLUSTERS} and {MIN_TRAIN_CLUSTERS} are the "
            "least: choose another day for TWIN_TEST_SINCE."
        )
    return held_out


def _for_validation(clusters: Sequence[_Cluster], held_out: set[str], rule: SplitRule) -> set[str]:
    """Return the roots of the clusters for validation; the minimum for training is left."""
    rest = [cluster for cluster in clusters if cluster.root not in held_out]
    if len(clusters) < MIN_CLUSTERS_FOR_VALIDATION:
        return set()
    below = rule.validation_fraction + (0 if rule.test_since else rule.test_fraction)
    drawn = [cluster.root for cluster in rest if cluster.draw < below]
    return set(drawn[: max(0, len(rest) - MIN_TRAIN_CLUSTERS)])


def _side(root: str, held_out: set[str], validation: set[str]) -> Split:
    if root in held_out:
        return "test"
    return "validation" if root in validation else "train"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def documents_held_out(documents: Sequence[CleanedDocument], rule: SplitRule) -> list[str]:
    """Return the texts of the documents of the test side, whether a row was made of them or not.

    Raises:
        UserError: If the documents cannot be split.
    """
    sides = split_documents(documents, rule)
    return [document.text for document in documents if sides[document.document_id] == "test"]
