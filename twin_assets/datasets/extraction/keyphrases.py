"""Keyphrases of a text: what a person would name if asked what it is about.

The ranking is YAKE's (Campos et al., 2020), which reads one text alone and knows no chance. What is added here keeps
fragments out: of "the free LLM Twin course", YAKE also proposes "free LLM" and "Twin course".
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator

from twin_assets.datasets.extraction.vocabulary import vocabulary

MAX_PHRASE_WORDS = 3
_CANDIDATES_PER_PHRASE = 8
_ONCE = 10
"""Weight of a spelling that stands inside a sentence; at its beginning it counts 1, since the capital means nothing."""

_FENCE = re.compile(r"^(```|~~~).*?^\1[^\S\n]*$", re.DOTALL | re.MULTILINE)
_ADDRESS = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<?(?:https?://|www\.)\S+|\S+@\S+\.\w+")
_MARK = re.compile(r"[*_~`#>|\\]+(?=\s|[^\w\s]|$)|(?<!\w)[*_~`#>|\\]+")
_WORD = re.compile(r"\w+(?:[-'./+]\w+)*[+#]*")
_BREAK = re.compile(r"[^\w\s'-]|\n")
_NUMBER = re.compile(r"[\d.,:/%-]+\w?")


def keyphrases(text: str, n: int, *, language: str = "en") -> list[str]:
    """Return up to `n` keyphrases of a text, the most telling first, in the spelling of running text.

    Args:
        text: Prose, plain or Markdown; code blocks, addresses and marks are left out.
        n: Most phrases to return; fewer if the text holds fewer.
        language: ISO 639-1 code, for YAKE's list of stop words.
    """
    import yake

    prose = _prose(text)
    # What repeats is taken out below, word by word; YAKE's own comparison of all pairs would only cost time.
    extractor = yake.KeywordExtractor(lan=language, n=MAX_PHRASE_WORDS, top=n * _CANDIDATES_PER_PHRASE, dedup_lim=1)
    stops = {word.lower() for word in extractor.stopword_set} | (
        vocabulary("not in names") if language == "en" else set()
    )
    spellings = _names(prose, stops)
    keys = (" ".join(_WORD.findall(str(candidate).lower())) for candidate, _ in extractor.extract_keywords(prose))
    ranked = [key for key in dict.fromkeys(keys) if key in spellings]
    found: list[str] = []
    for key in sorted(ranked, key=lambda key: not _is_telling(spellings[key], key)):
        if _is_new(key, found):
            found.append(_spelling(spellings[key]))
    return found[:n]


def _prose(text: str) -> str:
    text = unicodedata.normalize("NFKC", _FENCE.sub(" ", text)).replace("\u2019", "'")
    text = _MARK.sub("", _ADDRESS.sub(lambda match: match.group(1) or " ", text))
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def _names(prose: str, stops: Collection[str]) -> dict[str, Counter[str]]:
    """Map each possible name in a text, in lower case, to its spellings.

    A possible name is a whole run of words between two stop words or punctuation marks, at most three words long: part
    of a longer run would be a fragment.
    """
    names: dict[str, Counter[str]] = {}
    for run in _word_runs(prose, stops):
        if len(run) <= MAX_PHRASE_WORDS and _could_be_a_name([word for word, _ in run]):
            (first, starts_sentence), *rest = run
            # A capital that begins a sentence says nothing, unless the next word has one too, as in a person's name.
            if starts_sentence and first[1:].islower() and all(word.islower() for word, _ in rest):
                first = first.lower()
            spelling = " ".join([first, *(word for word, _ in rest)])
            names.setdefault(spelling.lower(), Counter())[spelling] += 1 if starts_sentence else _ONCE
    return names


def _word_runs(prose: str, stops: Collection[str]) -> Iterator[list[tuple[str, bool]]]:
    """Yield runs of words between stop words and punctuation, each word with whether it begins a sentence."""
    run: list[tuple[str, bool]] = []
    end, starts_sentence = 0, True
    for match in _WORD.finditer(prose):
        between = prose[end : match.start()]
        broken = bool(_BREAK.search(between))
        starts_sentence = end == 0 or bool(re.search(r"[.!?:\n\"(]", between))
        is_stop = match.group().lower() in stops
        if run and (broken or is_stop):
            yield run
            run = []
        if not is_stop:
            run.append((match.group(), starts_sentence))
        end = match.end()
    if run:
        yield run


def _could_be_a_name(words: list[str]) -> bool:
    last = words[-1].lower()
    return (
        not any(_NUMBER.fullmatch(word) or len(word) > 30 for word in words)
        and not any(word.lower().endswith("ly") and len(word) > 4 for word in words)
        and not (last.endswith(("ed", "iest")) and last != "speed")
        and sum(map(len, words)) >= 4
        and (len(words) > 1 or not last.endswith("ing") or last in ("testing", "logging", "caching", "training"))
    )


def _is_telling(spellings: Counter[str], key: str) -> bool:
    """Whether a phrase says something alone: several words, a name, or a word that the text comes back to."""
    return " " in key or not _spelling(spellings).islower() or sum(spellings.values()) > _ONCE


def _is_new(key: str, found: Collection[str]) -> bool:
    """Whether a phrase shares no word, and no form of a word, with those already found."""
    stems = {word.rstrip("s") for word in key.split()}
    return all(stems.isdisjoint(word.rstrip("s") for word in phrase.lower().split()) for phrase in found)


def _spelling(spellings: Counter[str]) -> str:
    return min(spellings, key=lambda spelling: (-spellings[spelling], spelling))
