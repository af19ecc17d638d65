"""Near-duplicates: which documents of one author nearly repeat another one.

Candidates come from MinHash LSH, the verdict from the word sequences themselves. Whether a duplicate is skipped, and
where, is up to who reads `duplicate_of`.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from twin_assets.documents import CleanedDocument

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

_WORD = re.compile(r"\w+")
_BATCH = 20_000

Shingles = npt.NDArray[np.uint64]


def mark_near_duplicates(documents: Sequence[CleanedDocument], *, seed: int = 0) -> list[CleanedDocument]:
    """Set `duplicate_of` of each document that nearly repeats a longer one.

    The longest document of a group is kept; of equally long ones the one published first, then the smaller id. Every
    other document points to the kept document that contains the largest share of it. A document is never marked only
    because it resembles another duplicate: a two-paragraph announcement that stands in four lessons does not make the
    four lessons one.

    Args:
        documents: Cleaned documents of one author.
        seed: Chooses the MinHash permutations.

    Returns:
        The documents in the order given; only `duplicate_of` differs.

    Raises:
        ValueError: If the documents have more than one author, or share an id.
    """
    if len({document.author for document in documents}) > 1:
        raise ValueError("Near-duplicates are sought among the documents of one author: call once for each author.")
    by_id = {document.document_id: document for document in documents}
    if len(by_id) < len(documents):
        raise ValueError("Two documents share one document_id: give each document once.")
    shingled = {name: shingles(document.text) for name, document in by_id.items()}
    candidates = candidate_pairs(shingled, seed=seed)
    kept_by: dict[str, str | None] = {}
    for name in sorted(by_id, key=lambda name: _rank(by_id[name])):
        shares = {
            other: containment(shingled[name], shingled[other])
            for other in candidates[name]
            if kept_by.get(other, "unseen") is None
        }
        best = min(shares, key=lambda other: (-shares[other], _rank(by_id[other])), default=None)
        kept_by[name] = best if best is not None and shares[best] >= NEAR_DUPLICATE else None
    return [document.model_copy(update={"duplicate_of": kept_by[document.document_id]}) for document in documents]


def shingles(text: str) -> Shingles:
    """Return the sorted 64-bit fingerprints of a text's word 5-grams; a shorter text is one shingle.

    Case and punctuation are ignored. A fingerprint depends on the words alone, not on the process or the machine.
    """
    words = _WORD.findall(text.casefold())
    fingerprints = {word: int.from_bytes(blake2b(word.encode(), digest_size=8).digest()) for word in set(words)}
    sequence = np.array([fingerprints[word] for word in words], dtype=np.uint64)
    length = min(SHINGLE_WORDS, len(sequence))
    if not length:
        return sequence
    count = len(sequence) - length + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        # An odd multiplier (2^64 divided by the golden ratio) makes the order of the words count; overflow is meant.
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + sequence[place : place + count]
    return np.unique(mixed)


def containment(one: Shingles, other: Shingles) -> float:
    """Return the share of the smaller set that also stands in the other one, from 0 to 1."""
    smaller = min(len(one), len(other))
    return len(np.intersect1d(one, other, assume_unique=True)) / smaller if smaller else 0.0


def candidate_pairs(shingled: dict[str, Shingles], *, seed: int) -> dict[str, set[str]]:
    """Map each name to the names whose shingles may overlap with its own, by MinHash LSH."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=PERMUTATIONS, params=(PERMUTATIONS, 1))
    sketches = {}
    for name, values in shingled.items():
        sketch = MinHash(num_perm=PERMUTATIONS, seed=seed, hashfunc=int)
        low_bits = values & np.uint64(0xFFFFFFFF)
        for start in range(0, len(low_bits), _BATCH):
            # In batches: datasketch holds one number per shingle and permutation, a gigabyte for a large repository.
            sketch.update_batch(low_bits[start : start + _BATCH])
        if len(values):
            index.insert(name, sketch)
            sketches[name] = sketch
    return {name: set(index.query(sketches[name])) - {name} if name in sketches else set() for name in shingled}


def _rank(document: CleanedDocument) -> tuple[int, float, str]:
    published = document.published_at
    if published is not None and published.tzinfo is None:
        published = published.replace(tzinfo=UTC)
    return -document.n_words, published.timestamp() if published else math.inf, document.document_id
