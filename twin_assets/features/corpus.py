"""A corpus: all documents of an author, cleaned together.

Here stands what no document can tell by itself: which lines it shares with the others of its platform, and which
document it repeats.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from twin_assets.documents import CleanedDocument, RawDocument
from twin_assets.features.boilerplate import drop_boilerplate, learn_boilerplate
from twin_assets.features.cleaning import Draft, draft, finish
from twin_assets.features.deduplication import as_utc, mark_near_duplicates


@dataclass(frozen=True)
class Corpus:
    """The cleaned documents of an author, and what cleaning took away."""

    documents: list[CleanedDocument]
    """In the order collected; one that repeats another is marked, one of which nothing is left is missing."""
    dropped: Counter[str]
    """Characters removed, by reason."""
    masked: Counter[str]
    """Personal data and secrets replaced by placeholders: how many, by kind."""
    empty: list[str]
    """One sentence for each document of which nothing is left."""


def clean_corpus(documents: Iterable[RawDocument], *, mask: bool = True) -> Corpus:
    """Clean all documents of one author.

    Args:
        documents: Everything that was collected of the author.
        mask: Replace personal data and secrets by placeholders.
    """
    drafts = [draft(document) for document in documents]
    _drop_what_repeats(drafts)
    results = [finish(one, mask=mask) for one in drafts]
    dropped: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    for result in results:
        dropped.update(result.dropped)
        masked.update(result.masked)
    return Corpus(
        documents=mark_near_duplicates([result.document for result in results if result.document]),
        dropped=dropped,
        masked=masked,
        empty=[result.reason for result in results if result.reason],
    )


def _drop_what_repeats(drafts: Iterable[Draft]) -> None:
    """Take learnt boilerplate out of articles and posts; a repository's README repeats licences and badges at most."""
    by_platform: defaultdict[tuple[str, str], list[Draft]] = defaultdict(list)
    for one in drafts:
        if one.document.category != "repositories":
            by_platform[one.document.category, one.document.platform].append(one)
    for group in by_platform.values():
        learnt = learn_boilerplate([one.blocks for one in group])
        kept_passages: set[str] = set()
        for one in sorted(group, key=_by_date):
            one.blocks = drop_boilerplate(one.blocks, learnt, kept_passages, one.dropped)


def _by_date(one: Draft) -> tuple[float, str]:
    published = one.document.published_at
    return as_utc(published).timestamp() if published else math.inf, one.document.document_id
