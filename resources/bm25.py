"""BM25 as sparse vectors: the weights of a passage's terms, to be multiplied with the query's and with their IDF.

The vector store keeps the document frequencies, because they change with every passage that comes or goes; saturation
and length normalisation depend on the passage alone and are computed here. Nothing is learnt and nothing downloaded.
"""

import re
from collections import Counter
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple
from zlib import crc32

from pydantic import Field

from twin_assets.documents import Entity

_WORD = re.compile(r"\w+")


class TermWeights(NamedTuple):
    """A sparse vector: ids of terms, ascending, and the weight of each."""

    indices: list[int]
    values: list[float]


class Bm25(Entity):
    """Okapi BM25 (Robertson and Zaragoza 2009, 'The Probabilistic Relevance Framework', section 3.4)."""

    k1: float = Field(default=1.2, ge=0, description="How soon another occurrence of a term stops to count")
    b: float = Field(default=0.75, ge=0, le=1, description="How much a long passage is held against its terms")
    average_terms: float = Field(default=50.0, gt=0, description="Terms of a passage on average, stop words left out")
    stemmer: str = Field(default="english", description="Snowball stemmer")
    stop_words: str = Field(default="en", description="Language of the stop words (ISO 639-1)")

    def passage(self, text: str) -> TermWeights:
        """Return the weight of each term of a passage: tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average)).

        The average is a constant, not the collection's own: with that, each new passage would change the weights of all
        others.
        """
        frequencies = Counter(self.terms(text))
        norm = self.k1 * (1 - self.b + self.b * frequencies.total() / self.average_terms)
        return _sparse({term: tf * (self.k1 + 1) / (tf + norm) for term, tf in frequencies.items()})

    def query(self, text: str) -> TermWeights:
        """Return weight 1 for each term of a query."""
        return _sparse(dict.fromkeys(self.terms(text), 1.0))

    def terms(self, text: str) -> list[str]:
        """Return the stems of a text's words in lower case, without stop words."""
        stop_words = _stop_words(self.stop_words)
        return [_stem(self.stemmer, word) for word in _WORD.findall(text.lower()) if word not in stop_words]


def _sparse(weights: dict[str, float]) -> TermWeights:
    """Name terms by a stable hash; two that share a name (1 pair in 4 billion) count as one term."""
    named: dict[int, float] = {}
    for term, weight in weights.items():
        name = crc32(term.encode())
        named[name] = max(weight, named.get(name, 0.0))
    return TermWeights(sorted(named), [named[name] for name in sorted(named)])


@lru_cache(maxsize=100_000)
def _stem(stemmer: str, word: str) -> str:
    return str(_stemmer(stemmer).stemWord(word))


@cache
def _stemmer(name: str) -> Any:
    import snowballstemmer  # type: ignore[import-untyped]

    return snowballstemmer.stemmer(name)


@cache
def _stop_words(language: str) -> frozenset[str]:
    """Return the list that comes with yake; a contraction comes apart at its apostrophe, as it does in a text."""
    listed = (files("yake") / "core" / "StopwordsList" / f"stopwords_{language}.txt").read_text(encoding="utf-8")
    return frozenset(part for word in listed.split() for part in _WORD.findall(word.lower()))
