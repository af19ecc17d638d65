"""Whether a written answer says only what its passage says, judged by words: no model is asked.

An answer that is the author's own passage is compared at its offsets. A written one is taken apart into sentences, and
a sentence is supported if every number and name in it stands in the passage, and enough of its other words near each
other. That finds what a teacher adds of its own (another name, another year, a paragraph of general knowledge). It does
not find what is made of the passage's own words: who did what to whom, or a "not" too many; a judge has to.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

from twin_assets.evaluation.prose import sentence_spans

MIN_SHARE = 0.5
"""A sentence is supported only if at least this share of its different content words stands in the passage."""
MIN_SUPPORT = 0.8
"""Written answers with a smaller share of supported sentences than this are no answers from their passage."""
WINDOW_WORDS = 120
"""The content words of a sentence have to be found within so many words: a whole article holds nearly every word."""

_NEW_LINE = re.compile(r"\n(?=[ \t]*(?:[-*+>|]|\d{1,2}[.)]|#{1,6} |```|~~~))")
_LIST_MARK = re.compile(r"^[ \t]*(?:[-*+>]|\d{1,2}[.)])[ \t]+")
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_OPENING = re.compile(r"(?:^|[:.!?\u2026(\[\"\u201c\u2014\u2013]\s*)[\s*_`\"\u201c(\[]*$")
"""What stands before a word whose capital means nothing: the start of a sentence, a colon, a quotation mark."""
_COUNTED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_COUNTED, start=1)}
_STEMMERS = {
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}


class Support(NamedTuple):
    """How far a passage supports an answer.

    Attributes:
        score: Share of the answer's sentences that are supported, 0 to 1; 0 for an answer that claims nothing.
        unsupported: The other sentences.
        invented: Names and numbers of the answer that stand nowhere in the passage.
    """

    score: float
    unsupported: list[str]
    invented: list[str]


@dataclass(frozen=True, slots=True)
class _Content:
    """What a text can be held to: its content words as stems, its names by their stems, its numbers."""

    words: frozenset[str]
    names: Mapping[str, str]
    numbers: frozenset[str]


def is_verbatim(answer: str, text: str, start: int, end: int) -> bool:
    """Whether an answer stands in a text, letter by letter, at these offsets."""
    return bool(answer.strip()) and 0 <= start < end <= len(text) and text[start:end] == answer


def support(answer: str, passage: str, *, language: str = "en") -> Support:
    """Return how far a passage supports an answer that was written from it.

    A sentence is supported if its numbers and names (words with a capital inside a sentence, or inside the word) stand
    in the passage, and at least half of its different content words within 120 words of it. Words are compared by their
    Snowball stems; headings of the answer claim nothing, nor do sentences without content words.

    Measured on 300 of the 941 passages of the two authors in the Handbook's dump (76 articles): the mean score, and the
    share of answers that reach `MIN_SUPPORT` with nothing invented. The passage itself, or its sentences shuffled: 1.00
    and 100 %. With 10, 20 and 30 % of its words replaced by others: 0.98, 0.93 and 0.82; 97, 89 and 63 %. With one name
    changed: 0 % pass; with one number: 4 % (the new number stands elsewhere in the passage, or numbers a list). Another
    passage of the same document: 0.06 and 0.3 %; of another document: 0.01 and 0 %. The Handbook's own generated
    answers, which never saw their extracts: 0.03 against the most similar of all passages, 0.04 against the most
    similar of its cleaned articles; none passes. Without windows the best article gives them 0.83. With 0.6 for
    `MIN_SHARE` a paraphrase with 20 % of its words replaced passes in 66 %, and nothing above gets much better.

    Args:
        answer: Plain text or Markdown.
        passage: The text it was written from; a longer one is read in windows.
        language: ISO 639-1 code, for stop words and stems. In a language that is written without spaces nothing is
            found to be supported.
    """
    evidence = _content(passage, language)
    known_numbers = evidence.numbers | _numbers_in_words(passage)
    windows = _windows(passage, language)
    claims = [(sentence, _content(sentence, language)) for sentence in _sentences(answer)]
    claims = [(sentence, claim) for sentence, claim in claims if claim.words or claim.numbers]
    unsupported, invented = [], []
    for sentence, claim in claims:
        inventions = [name for stem, name in claim.names.items() if stem not in evidence.words]
        inventions += sorted(claim.numbers - known_numbers)
        invented += inventions
        if inventions or not _is_told(claim, windows):
            unsupported.append(sentence)
    return Support(1 - len(unsupported) / len(claims) if claims else 0.0, unsupported, list(dict.fromkeys(invented)))


def _is_told(claim: _Content, windows: Iterable[frozenset[str]]) -> bool:
    return any(len(claim.words & window) >= MIN_SHARE * len(claim.words) for window in windows)


def _windows(passage: str, language: str) -> list[frozenset[str]]:
    """Return the content words of every stretch of sentences with up to `WINDOW_WORDS` words; longer ones alone."""
    sentences = [(len(line.split()), _content(line, language).words) for line in _sentences(passage, headings=True)]
    windows = []
    for first in range(len(sentences)):
        length, words = sentences[first]
        for further, more in sentences[first + 1 :]:
            length += further
            if length > WINDOW_WORDS:
                break
            words |= more
        windows.append(words)
    return windows


def _sentences(text: str, *, headings: bool = False) -> Iterator[str]:
    """Yield the sentences of a text, each item of a list by itself and without its mark."""
    for part in _NEW_LINE.split(text):
        heading, body = part.split("\n", 1) if _HEADING.match(part) and "\n" in part else ("", part)
        for line in (heading, body):
            if headings or not _HEADING.match(line):
                bare = _LIST_MARK.sub("", line)
                yield from (bare[start:end] for start, end in sentence_spans(bare))


def _content(text: str, language: str) -> _Content:
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\u2018", "'")
    words: set[str] = set()
    names: dict[str, str] = {}
    numbers = {number.replace(",", "") for number in _NUMBER.findall(text)}
    stops = _stop_words(language)
    for match in _WORD.finditer(text):
        word = match.group()
        bare = word.lower().partition("'")[0]
        if len(bare) < 2 or bare in stops or word.lower() in stops:
            continue
        stem = _stem(bare, language)
        words.add(stem)
        if _is_name(word, text[max(0, match.start() - 8) : match.start()]):
            names.setdefault(stem, word)
    return _Content(frozenset(words), names, frozenset(numbers))


def _is_name(word: str, before: str) -> bool:
    """Whether a capital says that this word is a name: it stands inside the sentence, or inside the word."""
    return any(map(str.isupper, word[1:])) or (word[0].isupper() and not _OPENING.search(before))


def _numbers_in_words(text: str) -> set[str]:
    return {_NUMBER_WORDS[word] for word in _WORD.findall(text.lower()) if word in _NUMBER_WORDS}


@cache
def _stop_words(language: str) -> frozenset[str]:
    """Return YAKE's stop words, a short general list for a language that it has none for."""
    import yake

    return frozenset(word.lower() for word in yake.KeywordExtractor(lan=language).stopword_set)


@cache
def _stemmer(language: str) -> Any:
    import snowballstemmer  # type: ignore[import-untyped]

    return snowballstemmer.stemmer(_STEMMERS[language]) if language in _STEMMERS else None


@lru_cache(maxsize=100_000)
def _stem(word: str, language: str) -> str:
    stemmer = _stemmer(language)
    return str(stemmer.stemWord(word)) if stemmer else word
