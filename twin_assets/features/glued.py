"""Glued text: pages that a collector read without the breaks between their blocks.

`get_text()` of an HTML parser puts "...everything.", "Conclusion" and "Congratulations!" into one line as
"...everything.ConclusionCongratulations!". What can be told apart again is told apart here; Medium's head and foot,
which have a fixed wording, are cut off. Text that still has its line breaks never comes here.
"""

import re
from collections import Counter

from twin_assets.features import furniture

GLUED_LINE = 4000
"""A line of at least so many characters, that holds glued sentences, was never a paragraph."""

GLUED_SENTENCES = 10
"""So many sentence ends without a space behind them are no slips of the pen."""

_EMOJI = "[\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff]"
_OPENING = r"(?:[A-Z][a-z'\u2019]*[ ,:?!…]|[A-Z]+ |[“→\[])"
_SENTENCE_END = re.compile(rf"(?<=[a-z0-9)\]”\"\u2019%][.!?…:;])(?={_OPENING})")
_SEAMS = (
    _SENTENCE_END,
    re.compile(rf"(?<=[A-Z]{{2}}[.!?])(?={_OPENING})"),
    re.compile(r"(?<=[a-z”][.!?])(?=\d{1,2}\.\d? ?[A-Z\d])"),
    re.compile(rf"(?<=[\w.!?)])(?={_EMOJI}\ufe0f? ?[A-Z])|(?<={_EMOJI})(?=[A-Z\d])|(?<={_EMOJI}\ufe0f)(?=[A-Z\d])"),
    re.compile(
        r"(?<=[←↓])(?=[A-Z])|(?<=[\w.!?)])(?=→ ?[A-Z])|(?<=[\w)])(?=\[(?:\d+|Bonus)\] [A-Z])|(?<=[)\]])(?=[A-Z][a-z])"
    ),
)
_WORD = re.compile(r"[\w\u2019'-]+")
_WORD_SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LOWER_SEAM = re.compile(r"([A-Za-z]{3,})([:;)])([a-z]{2,})")

_MEDIUM_HEAD = re.compile(r"^.{0,300}?Open in app(?:Sign up|Sign in|Write|Top highlight|Member-only story)*")
_MEDIUM_BYLINE = re.compile(
    r"(?:[A-Z][\w.'\u2019-]*(?: [A-Z][\w.'\u2019-]*){0,3})·Follow(?:ing)?(?:Published in.{1,60}?)?·\d+ min read·"
    r"[A-Z][a-z]{2} \d{1,2}(?:, \d{4})?[\d.K]*(?:Listen)?(?:Share)?"
)
_MEDIUM_FOOT = re.compile(
    r"Sign up to discover human stories that deepen your understanding of the world\..*", re.DOTALL
)


def is_glued(text: str) -> bool:
    """Whether a text lost the breaks between its blocks: a very long line with many sentences stuck together."""
    longest = max(text.split("\n"), key=len)
    return len(longest) >= GLUED_LINE and len(_SENTENCE_END.findall(longest)) >= GLUED_SENTENCES


def separate(text: str, *, title: str | None, subtitle: str | None, dropped: Counter[str]) -> str:
    """Return a glued text as Markdown paragraphs, without Medium's head and foot.

    A break is put back where a sentence, an arrow or an emoji runs into a capital, and between two words that were
    stuck together. No character is added or lost but line breaks. Headings and lists cannot be had back.

    Args:
        text: The text as collected.
        title: The document's title, which becomes the heading.
        subtitle: Its subtitle, the paragraph below.
        dropped: Characters removed are counted here, by reason.
    """
    text = _cut(_MEDIUM_FOOT, text, dropped, furniture.COMMENTS)
    lead: list[str] = []
    if _MEDIUM_HEAD.match(text):
        text = _cut(_MEDIUM_HEAD, text, dropped, furniture.NAVIGATION)
        for mark, words in (("# ", title), ("", subtitle)):
            before, found, after = text.partition(words) if words else ("", "", text)
            # What stands above the title is the name of a series, or of a section of the site.
            if found and len(before) <= 120:
                dropped[furniture.NAVIGATION] += len(before)
                lead.append(f"{mark}{words}")
                text = after
        text = _cut(_MEDIUM_BYLINE, text, dropped, furniture.BYLINE)
    for seam in _SEAMS:
        text = seam.sub("\n\n", text)
    return "\n\n".join(paragraph for paragraph in (*lead, _part_words(text)) if paragraph)


def _cut(pattern: re.Pattern[str], text: str, dropped: Counter[str], reason: str) -> str:
    match = pattern.search(text)
    if not match:
        return text
    dropped[reason] += len(match.group())
    return text[: match.start()] + text[match.end() :]


def _part_words(text: str) -> str:
    """Break words that were glued ("techniquesAdvanced", "microservices:the").

    The evidence is the text itself: the whole is rare in it, and its left half is a lower-case word of four letters
    or more, as no class or product is written; around a colon or bracket, both halves have to stand alone elsewhere.
    """
    counts = Counter(_WORD.findall(text))

    def part(match: re.Match[str]) -> str:
        word = match.group()
        seam = _WORD_SEAM.search(word)
        if not seam or counts[word] > 2 or seam.start() < 4 or not word[: seam.start()].islower():
            return word
        return f"{word[: seam.start()]}\n\n{word[seam.start() :]}"

    def part_lower(match: re.Match[str]) -> str:
        left, mark, right = match.groups()
        return f"{left}{mark}\n\n{right}" if counts[left] > 1 and counts[right] > 1 else match.group()

    return _LOWER_SEAM.sub(part_lower, _WORD.sub(part, text))
