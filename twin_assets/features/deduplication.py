"""Duplicates: which documents repeat another one, exactly or nearly, among those of one author or of several.

Candidates come from MinHash sketches, the verdict from the word sequences themselves. Whether a duplicate is skipped,
and where, is up to who reads `duplicate_of`.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from twin_assets.documents import CleanedDocument, DuplicateKind

SHINGLE_WORDS = 5
"""Words in a shingle, as in datatrove's MinHash stage (5-grams)."""

NEAR_DUPLICATE = 0.5
"""Containment from which a document counts as a near-duplicate: half of its word 5-grams stand in the other one.

Containment, the shared part of the smaller set (Broder, 1997, "On the resemblance and containment of documents"), and
not Jaccard similarity: a shortened cross-post repeats an article that is twice as long. On the 76 articles of the LLM
Engineer's Handbook, 16 pairs of raw pages lie above 0.3; once cleaned, the five Medium/Substack cross-posts lie between
0.66 and 0.88, an announcement that is repeated in the lessons it announces at 0.60, and no other pair above 0.41: those
are different posts that share a section. Any threshold between 0.41 and 0.59 gives the same result.
"""

PERMUTATIONS = 256
"""MinHash permutations, each a band of one row.

Two documents become candidates if a single minimum agrees, with probability 1 - (1 - J)^256 at Jaccard similarity J. At
containment 0.5 that is over 99 % up to a size ratio of 27 to 1, and almost certain among articles.
"""

MAX_SHARING = 50
"""Kept documents that share a minimum, from which on it makes no candidates.

What stands in so many documents, none of which repeats another, is a row of hashtags or a signature. Without a limit,
nearly all pairs of an author's posts would be compared for it.
"""

TOLERANCE = 4
"""Standard deviations by which an estimate may miss: of 30,000 near-duplicates at the very threshold one is lost."""

_WORD = re.compile(r"\w+")
_BATCH = 20_000

Shingles = npt.NDArray[np.uint64]


def mark_near_duplicates(documents: Sequence[CleanedDocument], *, seed: int = 0) -> list[CleanedDocument]:
    """Set `duplicate_of` and `duplicate_kind` of each document that repeats another one.

    The longest document of a group is kept; of equally long ones the one published first, then the smaller id. Every
    other document points to the kept document that contains the largest share of it. A document is never marked only
    because it resembles another duplicate: a two-paragraph announcement that stands in four lessons does not make the
    four lessons one.

    Args:
        documents: Cleaned documents of one author.
        seed: Chooses the MinHash permutations.

    Returns:
        The documents in the order given; only `duplicate_of` and `duplicate_kind` differ.

    Raises:
        ValueError: If the documents have more than one author, or share an id.
    """
    if len({document.author for document in documents}) > 1:
        raise ValueError("Near-duplicates are sought among the documents of one author: call once for each author.")
    by_id = {document.document_id: document for document in documents}
    kept_by = repeated_by(documents, rank=_longest_first, seed=seed)
    return [
        document.model_copy(
            update={"duplicate_of": kept, "duplicate_kind": _kind(document, by_id[kept]) if kept else None}
        )
        for document in documents
        for kept in [kept_by[document.document_id]]
    ]


def mark_across_authors(documents: Sequence[CleanedDocument], *, seed: int = 0) -> dict[str, str]:
    """Map each document that repeats one of another author to that document.

    The one published first is kept, for who repeats it has read it; of undated ones that of the author whose slug comes
    first, then the smaller id. So the result depends on neither the order of the documents nor that of the builds.

    Args:
        documents: Cleaned documents of several authors. Those that repeat one of their own author are passed over.
        seed: Chooses the MinHash permutations.

    Raises:
        ValueError: If two documents share an id.
    """
    kept_by = repeated_by(
        [document for document in documents if document.duplicate_of is None],
        rank=lambda document: (_published(document), document.author, document.document_id),
        comparable=lambda one, other: one.author != other.author,
        seed=seed,
    )
    return {name: kept for name, kept in sorted(kept_by.items()) if kept}


def repeated_by(
    documents: Sequence[CleanedDocument],
    *,
    rank: Callable[[CleanedDocument], tuple[Any, ...]],
    comparable: Callable[[CleanedDocument, CleanedDocument], bool] = lambda one, other: True,
    seed: int,
) -> dict[str, str | None]:
    """Map each document to the kept one that contains the largest share of it, or to None if it is kept itself.

    Args:
        documents: Documents with different ids.
        rank: Who of two is kept: the smaller.
        comparable: Whether two documents are compared at all.
        seed: Chooses the MinHash permutations.

    Raises:
        ValueError: If two documents share an id.
    """
    by_id = {document.document_id: document for document in documents}
    if len(by_id) < len(documents):
        raise ValueError("Two documents share one document_id: give each document once.")
    shingled = {name: shingles(document.text) for name, document in by_id.items()}
    candidates = Candidates(seed=seed)
    kept_by: dict[str, str | None] = {}
    for name in sorted(by_id, key=lambda name: rank(by_id[name])):
        sketch = candidates.sketch(shingled[name])
        shares = {
            other: containment(shingled[name], shingled[other])
            for other in candidates.near(sketch)
            if comparable(by_id[name], by_id[other])
        }
        best = min(shares, key=lambda other: (-shares[other], rank(by_id[other])), default=None)
        kept_by[name] = best if best is not None and shares[best] >= NEAR_DUPLICATE else None
        if kept_by[name] is None:
            candidates.add(name, sketch)
    return kept_by


def as_utc(moment: datetime) -> datetime:
    """Return a moment that says its time zone; one that does not is taken for UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def shingles(text: str, *, words_each: int = SHINGLE_WORDS) -> Shingles:
    """Return the sorted 64-bit fingerprints of a text's word 5-grams; a shorter text is one shingle.

    Case and punctuation are ignored. A fingerprint depends on the words alone, not on the process or the machine.

    Args:
        text: The text.
        words_each: Words in a shingle, if not 5.
    """
    words = _WORD.findall(text.casefold())
    sequence = np.array([_fingerprint(word) for word in words], dtype=np.uint64)
    length = min(words_each, len(sequence))
    if not length:
        return sequence
    count = len(sequence) - length + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        # An odd multiplier (2^64 divided by the golden ratio) makes the order of the words count; overflow is meant.
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + sequence[place : place + count]
    return np.unique(mixed)


@lru_cache(maxsize=100_000)
def _fingerprint(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest())


def containment(one: Shingles, other: Shingles) -> float:
    """Return the share of the smaller set that also stands in the other one, from 0 to 1."""
    smaller = min(len(one), len(other))
    return len(np.intersect1d(one, other, assume_unique=True)) / smaller if smaller else 0.0


class Sketch(NamedTuple):
    """A set of shingles, made small: its minima under each permutation, and how many shingles it has."""

    minima: Shingles
    """Of shape (permutations,), each with its permutation in it; empty if there are no shingles."""
    size: int


class Candidates:
    """The kept texts that another one may repeat: those that share enough minima with it.

    Only kept documents are in it, so that a text that stands there a thousand times is compared with one of them alone.

    Args:
        seed: Chooses the permutations.
        permutations: How many minima a text is sketched by; fewer serve where texts differ less in length.
        threshold: Containment that is looked for.
    """

    def __init__(self, *, seed: int, permutations: int = PERMUTATIONS, threshold: float = NEAR_DUPLICATE) -> None:
        from datasketch import MinHash

        self._permutations = permutations
        self._threshold = threshold
        self._blank = MinHash(num_perm=permutations, seed=seed, hashfunc=int)
        self._names: list[str] = []
        self._minima = np.empty((64, permutations), dtype=np.uint64)
        self._sizes = np.empty(64)
        # Most minima are of one text alone: a list for each of them would take most of the memory.
        self._first: dict[int, int] = {}
        self._others: defaultdict[int, list[int]] = defaultdict(list)

    def sketch(self, values: Shingles) -> Sketch:
        """Return the sketch of a document's shingles."""
        if not len(values):
            return Sketch(np.empty(0, dtype=np.uint64), 0)
        sketch = self._blank.copy()
        low_bits = values & np.uint64(0xFFFFFFFF)
        for start in range(0, len(low_bits), _BATCH):
            # In batches: datasketch holds one number per shingle and permutation, a gigabyte for a large repository.
            sketch.update_batch(low_bits[start : start + _BATCH])
        minima = sketch.hashvalues.astype(np.uint64) * np.uint64(self._permutations)
        return Sketch(minima + np.arange(self._permutations, dtype=np.uint64), len(values))

    def add(self, name: str, sketch: Sketch) -> None:
        """Take in a kept document."""
        place = len(self._names)
        self._names.append(name)
        if place == len(self._sizes):
            self._minima = np.concatenate([self._minima, np.empty_like(self._minima)])
            self._sizes = np.concatenate([self._sizes, np.empty_like(self._sizes)])
        self._sizes[place] = sketch.size
        if sketch.size:
            self._minima[place] = sketch.minima
        for minimum in sketch.minima.tolist():
            if self._first.setdefault(minimum, place) != place:
                others = self._others[minimum]
                if len(others) < MAX_SHARING:
                    others.append(place)

    def sharing(self, sketch: Sketch) -> list[int]:
        """Return the places, in the order taken in, of the documents that share a minimum which not too many share."""
        found: set[int] = set()
        for minimum in sketch.minima.tolist():
            others = self._others.get(minimum, ())
            if minimum in self._first and len(others) < MAX_SHARING:
                found.add(self._first[minimum])
                found.update(others)
        return sorted(found)

    def near(self, sketch: Sketch) -> list[str]:
        """Return the documents taken in that may be near-duplicates.

        The share of minima that agree estimates the Jaccard similarity. Who stays `TOLERANCE` standard deviations below
        what the threshold asks for is not worth a comparison.
        """
        places = self.sharing(sketch)
        if not places:
            return []
        agreeing = (self._minima[places] == sketch.minima).sum(axis=1)
        sizes = self._sizes[places]
        shared = self._threshold * np.minimum(sizes, sketch.size)
        similarity = shared / (sizes + sketch.size - shared)
        deviation = np.sqrt(self._permutations * similarity * (1 - similarity))
        enough = agreeing >= self._permutations * similarity - TOLERANCE * deviation
        return [self._names[place] for place, is_enough in zip(places, enough, strict=True) if is_enough]


def _kind(document: CleanedDocument, kept: CleanedDocument) -> DuplicateKind:
    if document.platform != kept.platform:
        return "cross-post"
    same = _WORD.findall(document.text.casefold()) == _WORD.findall(kept.text.casefold())
    return "exact" if same else "near"


def _longest_first(document: CleanedDocument) -> tuple[int, float, str]:
    return -document.n_words, _published(document), document.document_id


def _published(document: CleanedDocument) -> float:
    return as_utc(document.published_at).timestamp() if document.published_at else math.inf
