"""How headings and titles are worded, so that a template can take them up without breaking its grammar.

A heading is told apart by its form alone ("How to ...", a question, an order, a name); no tagger is at hand, so a
heading of doubtful form is quoted. The lists of words are English, and lie in `vocabulary.yaml`.
"""

import re
import unicodedata
from collections import Counter
from typing import Literal, NamedTuple

from twin_assets.datasets.extraction.vocabulary import vocabulary

Form = Literal["question", "clause", "action", "topic", "quoted", "opening", "closing", "none"]


class Heading(NamedTuple):
    """A heading in the wording that its form asks for.

    Attributes:
        form: `question` ("What is a tensor?"), `clause` ("why headings matter"), `action` ("drop the index", fits after
            "how to"), `topic` ("the index", fits after "about"), `quoted` (a sentence, or a name that says too little
            alone: to be quoted, with the title), `opening` and `closing` (an introduction, a conclusion), `none`
            (nothing that could be asked for: "Here is why").
        text: The wording: a question with its mark, everything else without a stop.
    """

    form: Form
    text: str


MAX_HEADING_WORDS = 16
"""A longer heading is a paragraph in large letters."""

MIN_ORDER_WORDS = 4
"""A shorter order ("say no early") is a motto: quoted, it makes sense; after "how do I" it does not."""

_NUMBERING = re.compile(
    r"(?:#\d+[.:]?\s*|\d+(?:\.\d+)+\.?\s+|\d+\s*[.):/|-]\s+|\d\u20e3\s*|[ivx]+[.)]\s+|[a-h][.)]\s+|"
    r"(?:step|lesson|part|stage|phase|chapter|day|week|tip|rule|lecture|section|problem|option|tier|extra|bonus)\s*#?\d*"
    r"\s*[:|\u2013\u2014-]\s*)+",
    re.IGNORECASE,
)
_SERIES = re.compile(
    r"^(?:[A-Z]{2,5}|story ?time|tl;?dr|update|re)\s*:\s+|^\[[^\]]*\]\s*|\s+[|\u2022\u00b7]\s+.*$", re.IGNORECASE
)
_BYLINE = re.compile(r"\s+[-|\u2013\u2014]\s+by\s+[A-Z].*$")
_ASIDE = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_EDGE = " \t\n=:;,.\u2026-\u2013\u2014*_~`\u2190\u2191\u2192\u2193\u21b3\u2794#|"
_NAME = re.compile(r"[A-Z]|\d")
"""Behind the first letter of a heading in lower case: a name, an abbreviation, a version."""
_LEAD = re.compile(
    r"(?:an? |the )?(?:(?:quick|short|brief|gentle|general|high-level|deeper|closer) )?"
    r"(?:introduction|intro|overview|guide|primer|look|deep dive|basics|summary|definition|background) "
    r"(?:to|of|on|at|into|in|for)\s+|"
    r"(?:introducing|understanding|presenting|about|on|meet|exploring)\s+",
    re.IGNORECASE,
)
_INTERROGATIVES = ("what", "why", "how", "when", "where", "which", "who", "whose")


def heading_of(raw: str, prose: str) -> Heading:
    """Return a heading in the wording that its form asks for.

    Args:
        raw: Heading as plain text.
        prose: Running text of its document, without headings, which shows what is written in lower case.
    """
    text = tidy(raw)
    words = text.lower().split()
    shouted = text.isupper() and len(words) > 1
    if not re.search(r"[^\W\d_]{2}", text) or len(words) > MAX_HEADING_WORDS or shouted:
        return Heading("none", "")
    if text.rstrip("?! ").lower() in vocabulary("opening"):
        return Heading("opening", text)
    if text.rstrip("?! ").lower() in vocabulary("closing"):
        return Heading("closing", text)
    return _by_form(text, words, prose)


def _by_form(text: str, words: list[str], prose: str) -> Heading:
    asks = words[0] in _INTERROGATIVES and len(words) > 2
    if words[:2] == ["how", "to"] and len(words) > 3:
        return _self_contained(Heading("action", in_running_case(text.rstrip("?")[7:], prose)), text)
    if text.endswith("?") or (asks and words[1] in vocabulary("auxiliaries")):
        return _question(text.rstrip("?") + "?")
    if asks:
        return _self_contained(Heading("clause", in_running_case(text, prose)), text)
    is_sentence = not vocabulary("finite verbs").isdisjoint(words)
    if _is_order(words) and not is_sentence:
        return _self_contained(Heading("action", in_running_case(text, prose)), text, least=MIN_ORDER_WORDS)
    if is_sentence or _says_i_or_we(words) or text.endswith("!"):
        return _self_contained(Heading("quoted", text), text)
    return _topic(text, prose)


def tidy(raw: str | None) -> str:
    """Return a heading or title without emoji, numbering, series names, asides, bylines and marks at its edges."""
    text = unicodedata.normalize("NFKC", raw or "").replace("\u2019", "'").replace("\u2018", "'")
    text = "".join(
        letter for letter in text if unicodedata.category(letter) not in ("So", "Sk", "Cf", "Co", "Cn", "Mn")
    )
    text = _BYLINE.sub("", " ".join(_ASIDE.sub("", text.replace("**", "")).split()))
    for pattern in (_NUMBERING, _SERIES, _NUMBERING):
        text = text.strip(_EDGE.replace("#", ""))
        text = pattern.sub("", text) if pattern is _SERIES else text[_end(pattern, text) :]
    text = text.strip(_EDGE)
    return text[1:-1] if re.fullmatch("[\"'\u201c][^\"'\u201d]*[\"'\u201d]", text) else text


def in_running_case(phrase: str, prose: str) -> str:
    """Return a phrase from a heading as it would be written inside a sentence.

    The document decides: the phrase as a whole if it is written somewhere, else each word. A word keeps its capital if
    it has one more often than not inside sentences, or if more than its first letter is a capital.
    """
    found = re.findall(rf"(?<![.!?:]\s)(?<!^)\b{re.escape(phrase)}\b", prose, flags=re.IGNORECASE | re.MULTILINE)
    if found and " " in phrase:
        spellings = Counter(found)
        return str(min(spellings, key=lambda spelling: (-spellings[spelling], spelling)))
    inside = Counter(re.findall(r"(?<=[^.!?:\s]\s)[^\W\d_]+", prose))

    def lowered(match: re.Match[str]) -> str:
        word = match.group()
        named = (
            len(word) == 1
            or not word.istitle()
            or (inside[word] > inside[word.lower()] and word.lower() not in vocabulary("small"))
        )
        return word if named else word.lower()

    return re.sub(r"[^\W\d_]+", lowered, phrase)


def purpose_of(summary: str) -> str:
    """Return what a function does, to stand after "to", from the first sentence of its docstring.

    Returns:
        "restore a backup" for "Restores a backup"; empty for a summary that is no order, or long, or speaks as I.
    """
    words = summary.split()
    if not 2 <= len(words) <= MAX_HEADING_WORDS or _says_i_or_we([word.lower() for word in words]):
        return ""
    first = words[0].lower()
    stems = (first, first.removesuffix("s"), first.removesuffix("es"), re.sub("ies$", "y", first))
    verb = next((stem for stem in stems if stem in vocabulary("verbs")), "")
    return " ".join([verb, *words[1:]]) if verb else ""


def _end(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.match(text)
    return match.end() if match and match.end() < len(text) else 0


def _question(text: str) -> Heading:
    """A question that stands on its own, put to the person who answers."""
    words = re.findall(r"[\w'-]+", text.lower())
    if words[0] not in _INTERROGATIVES and words[0] not in vocabulary("auxiliaries"):
        return _self_contained(Heading("quoted", text), text)
    turned = re.sub(r"\b(do|did|can|could|should|would|will|have|are) (?:i|we)\b", r"\1 you", text, flags=re.IGNORECASE)
    turned = re.sub(r"\b(?:my|our)\b", "your", turned, flags=re.IGNORECASE)
    if len(words) < 4 and not _NAME.search(text[1:]):
        return Heading("none", "")
    return _self_contained(Heading("question", turned), text)


def _self_contained(heading: Heading, quote: str, *, least: int = 2) -> Heading:
    """The heading; a quotation if it is shorter than `least` or speaks as I or we; nothing if it points elsewhere."""
    words = re.findall(r"[\w'-]+", heading.text.lower())
    if not vocabulary("pointing").isdisjoint(words) or quote.lower() in vocabulary("furniture"):
        return Heading("none", "")
    says_little = len(words) < least and not _NAME.search(heading.text[1:])
    if _says_i_or_we(words) or says_little:
        return Heading("quoted", quote)
    return heading


def _topic(text: str, prose: str) -> Heading:
    before, colon, after = _without_lead(text).partition(": ")
    named = (after if before.lower() in vocabulary("saying little") else before).strip(_EDGE) if colon else before
    words = re.findall(r"[\w'-]+", named.lower())
    if not words or not vocabulary("pointing").isdisjoint(words) or text.lower() in vocabulary("furniture"):
        return Heading("none", "")
    worded = in_running_case(named, prose)
    if (
        words[0] in vocabulary("connectives")
        or named.lower() in vocabulary("saying little")
        or not _is_name(worded, prose)
    ):
        return Heading("quoted", text)
    return Heading("topic", worded)


def _is_name(phrase: str, prose: str) -> bool:
    """Whether there is evidence that a phrase names something, and is not a sentence without a stop.

    Evidence is that running text uses it, that it holds a name or an abbreviation, or that it says "the x of y".
    """
    return (
        (len(phrase.split()) > 1 and phrase.lower() in prose.lower())
        or bool(_NAME.search(phrase[1:]))
        or bool(re.match(r"(?:the|an?) [\w' -]+ (?:of|between|behind) ", phrase, re.IGNORECASE))
        or bool(
            re.search(
                r"\w(?:ing|ion|ment|ity|ance|ence|ware|ture|els?|ers?|ors?) (?:of|for|with|and|in|vs\.?) ", phrase
            )
        )
    )


def _without_lead(text: str) -> str:
    """Return "MoEs" for "Introduction to MoEs", and other headings as they are."""
    lead = _LEAD.match(text)
    return text[lead.end() :] if lead else text


def _is_order(words: list[str]) -> bool:
    if len(words) < 2:
        return False
    if words[0] in ("don't", "never", "always"):
        return len(words) > 2
    return words[0] in vocabulary("verbs") and (
        words[0] not in vocabulary("often nouns") or words[1] in vocabulary("after a verb")
    )


def _says_i_or_we(words: list[str]) -> bool:
    return any(re.fullmatch(r"(?:i|we|my|our|let)(?:'\w+)?", word) for word in words)
