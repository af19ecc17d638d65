"""The stylometric fingerprint of an author: function-word frequencies by block, and figures a person can read.

Measured on prose alone (`prose.py`), without a model and without a key. What one fingerprint says about another text
is `likeness.py`'s business.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
from pydantic import Field

from twin_assets.documents import Entity
from twin_assets.evaluation.prose import Passage, passages, sentence_spans, words_of

# The 70 function words of Mosteller & Wallace, Inference and Disputed Authorship: The Federalist (1964), table 2.5.
_FEDERALIST = """
a all also an and any are as at be been but by can do down even every for from had has have her his if in into is it
its may more must my no not now of on one only or our shall should so some such than that the their then there things
this to up upon was were what when which who will with would your
"""
# Pronouns, conjunctions, prepositions and adverbs that the Federalist had little use for and prose today has.
_TODAY = """
i me you he him she they them we us these those about after again because before between both could did does each
few here how just like many most much never off often other out over same since still through too under until very
where while why without yet
"""
_FIRST = "i me my mine myself i'm i've i'll i'd we us our ours ourselves we're we've we'll we'd"
_SECOND = "you your yours yourself yourselves you're you've you'll you'd"

FUNCTION_WORDS: tuple[str, ...] = (*_FEDERALIST.split(), *_TODAY.split())
"""The 120 words counted: frequent, empty of subject, hard to choose on purpose (Burrows 2002, Delta).

Contractions are counted in `StyleFigures` only: with them among these words, attribution of the two authors it was
tried on got worse at every block size.
"""

MIN_BLOCKS = 3
"""Fewest blocks in a profile: with fewer, a standard deviation over blocks says nothing."""

MIN_BLOCK_WORDS = 200
"""Smallest block; below it most function words are counted zero or one time."""

MATTR_WINDOW = 1000
"""Words in the moving window of the type-token ratio (Covington & McFall 2010, MATTR)."""

PUNCTUATION: dict[str, str] = {
    "comma": r",",
    "semicolon": r";",
    "colon": r":",
    "dash": r"[\u2013\u2014]|(?<=\s)--?(?=\s)",
    "parenthesis": r"\(",
    "question": r"\?",
    "exclamation": r"!",
    "quote": r"[\"\u201c«]",
}
"""Marks that are counted, each with its pattern; a pair of brackets counts once, a pair of straight quotes twice."""

_FIRST_PERSON = frozenset(_FIRST.split())
_SECOND_PERSON = frozenset(_SECOND.split())
_CONTRACTION = re.compile(r"(?:n't|'(?:m|re|ve|ll|d))$|^(?:it|that|there|here|what|who|how|where|let|he|she)'s$")


class StyleFigures(Entity):
    """Readable numbers about an author's prose."""

    sentence_words_mean: float = Field(description="Words per sentence, mean")
    sentence_words_median: float = Field(description="Words per sentence, median")
    sentence_words_std: float = Field(description="Words per sentence, standard deviation")
    paragraph_words_mean: float = Field(description="Words per paragraph, mean")
    punctuation: dict[str, float] = Field(description="Marks per 1,000 words, by mark")
    contractions: float = Field(description="Contractions per 1,000 words")
    first_person: float = Field(description="First-person pronouns per 1,000 words")
    second_person: float = Field(description="Second-person pronouns per 1,000 words")
    type_token_ratio: float = Field(
        description="Share of distinct words, mean over moving windows of 1,000 words (MATTR)"
    )
    heading_share: float = Field(description="Share of all words that stand in headings")
    list_share: float = Field(description="Share of all words that stand in lists")
    code_share: float = Field(description="Share of all words that stand in fenced code")


class StyleProfile(Entity):
    """One author's fingerprint: what the Delta of `likeness.py` compares a text with."""

    author: str = Field(description="Slug of the author")
    n_texts: int = Field(description="Texts measured")
    n_words: int = Field(description="Words of prose measured")
    n_blocks: int = Field(description="Blocks the prose was cut into")
    block_words: int = Field(description="Words in a block; blocks differ by one word at most")
    words: tuple[str, ...] = Field(description="Function words counted, the columns of frequencies")
    frequencies: tuple[tuple[float, ...], ...] = Field(description="Relative frequency of each word, one row per block")
    figures: StyleFigures = Field(description="Readable numbers about the same prose")


def style_profile(author: str, texts: Sequence[str], *, block_words: int = 1000) -> StyleProfile:
    """Measure an author's style on Markdown texts.

    The prose of all texts is laid end to end and cut into blocks of at least `block_words` words. Where that would
    give fewer than `MIN_BLOCKS`, the blocks shrink, down to `MIN_BLOCK_WORDS`.

    Args:
        author: Slug of the author.
        texts: Markdown documents of this author, in a fixed order.
        block_words: Words wanted in a block; 1,000 is where attribution becomes dependable (Eder 2017).

    Raises:
        ValueError: If the texts hold fewer than `MIN_BLOCKS * MIN_BLOCK_WORDS` words of prose.
    """
    documents = [passages(text) for text in texts]
    prose = [passage.text for document in documents for passage in document if passage.kind in ("paragraph", "item")]
    words = list(chain.from_iterable(map(words_of, prose)))
    needed = MIN_BLOCKS * MIN_BLOCK_WORDS
    if len(words) < needed:
        raise ValueError(
            f"A style profile of {author!r} needs at least {needed:,} words of prose, and the {len(texts)} texts hold "
            f"{len(words):,}: add more of the author's writings."
        )
    blocks = cut_into_blocks(word_codes(words), min(block_words, len(words) // MIN_BLOCKS))
    return StyleProfile(
        author=author,
        n_texts=len(texts),
        n_words=len(words),
        n_blocks=len(blocks),
        block_words=len(words) // len(blocks),
        words=FUNCTION_WORDS,
        frequencies=tuple(tuple(round(float(f), 6) for f in frequencies(block)) for block in blocks),
        figures=_figures(documents, prose, words),
    )


def word_codes(words: Sequence[str]) -> np.ndarray:
    """Return the place of each word in `FUNCTION_WORDS`, or one past its end for any other word; shape (words,)."""
    places = {word: place for place, word in enumerate(FUNCTION_WORDS)}
    return np.fromiter((places.get(word, len(FUNCTION_WORDS)) for word in words), dtype=np.int16, count=len(words))


def cut_into_blocks(codes: np.ndarray, block_words: int) -> list[np.ndarray]:
    """Cut coded words into as many equal blocks of at least `block_words` as fit; one block when they are fewer."""
    return np.array_split(codes, max(1, len(codes) // block_words))


def frequencies(codes: np.ndarray) -> np.ndarray:
    """Return the relative frequency of each function word among coded words; shape (function words,)."""
    return np.bincount(codes, minlength=len(FUNCTION_WORDS) + 1)[:-1] / len(codes)


class DistinctiveWord(Entity):
    """A function word that sets an author apart from the pool."""

    word: str = Field(description="Function word")
    per_thousand: float = Field(description="Times per 1,000 words of this author")
    pool_per_thousand: float = Field(description="Times per 1,000 words, mean over all blocks of all authors")
    z: float = Field(description="Distance from the pool's mean in standard deviations of its blocks; above 0 is more")


def distinctive_words(author: str, profiles: Mapping[str, StyleProfile], *, top: int = 14) -> list[DistinctiveWord]:
    """Return the function words in which an author differs most from the pool of all authors, most used first.

    With fewer than two profiles there is nothing to differ from, and the list is empty.
    """
    if len(profiles) < 2:
        return []
    pool = np.vstack([np.array(profile.frequencies) for profile in profiles.values()])
    own, mean, std = np.array(profiles[author].frequencies).mean(axis=0), pool.mean(axis=0), pool.std(axis=0)
    z = np.divide(own - mean, std, out=np.zeros_like(std), where=std > 0)
    chosen = np.argsort(-np.abs(z), kind="stable")[:top]
    return [
        DistinctiveWord(
            word=FUNCTION_WORDS[i],
            per_thousand=1000 * float(own[i]),
            pool_per_thousand=1000 * float(mean[i]),
            z=float(z[i]),
        )
        for i in sorted(chosen, key=lambda i: -z[i])
    ]


def _figures(documents: Sequence[Sequence[Passage]], prose: Sequence[str], words: Sequence[str]) -> StyleFigures:
    per_thousand = 1000 / len(words)
    text = "\n\n".join(prose)
    sentences = [n for start, end in sentence_spans(text) if (n := len(words_of(text[start:end])))]
    paragraphs = [len(words_of(p.text)) for document in documents for p in document if p.kind == "paragraph"]
    shares = _shares(chain.from_iterable(documents))
    return StyleFigures(
        sentence_words_mean=float(np.mean(sentences)),
        sentence_words_median=float(np.median(sentences)),
        sentence_words_std=float(np.std(sentences)),
        paragraph_words_mean=float(np.mean(paragraphs)) if paragraphs else 0.0,
        punctuation={mark: len(re.findall(pattern, text)) * per_thousand for mark, pattern in PUNCTUATION.items()},
        contractions=sum(bool(_CONTRACTION.search(word)) for word in words) * per_thousand,
        first_person=sum(word in _FIRST_PERSON for word in words) * per_thousand,
        second_person=sum(word in _SECOND_PERSON for word in words) * per_thousand,
        type_token_ratio=_moving_type_token_ratio(words),
        heading_share=shares["heading"],
        list_share=shares["item"],
        code_share=shares["code"],
    )


def _shares(blocks: Iterator[Passage]) -> dict[str, float]:
    counts = dict.fromkeys(("paragraph", "item", "heading", "table", "code"), 0)
    for passage in blocks:
        counts[passage.kind] += len(passage.text.split())
    total = sum(counts.values())
    return {kind: count / total for kind, count in counts.items()}


def _moving_type_token_ratio(words: Sequence[str]) -> float:
    """Return the mean share of distinct words over every window of `MATTR_WINDOW`; of all words when they are fewer."""
    window = min(MATTR_WINDOW, len(words))
    counts: dict[str, int] = {}
    distinct_sum = 0
    for place, word in enumerate(words):
        counts[word] = counts.get(word, 0) + 1
        if place >= window:
            gone = words[place - window]
            counts[gone] -= 1
            if not counts[gone]:
                del counts[gone]
        if place >= window - 1:
            distinct_sum += len(counts)
    return distinct_sum / (window * (len(words) - window + 1))
