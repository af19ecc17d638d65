"""Sections: where the headings of a Markdown text stand, and what stands under each of them."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt

from twin_assets.features.inline import shown

Span = tuple[int, int]


@dataclass(frozen=True)
class Heading:
    """One heading of a document: where it begins and ends, its level (1 to 6) and its words."""

    start: int
    end: int
    level: int
    words: str


def find_headings(text: str) -> list[Heading]:
    """Return the headings of a Markdown text in order; what looks like one inside code, a quote or a list is none."""
    offsets = [0]
    for line in text.split("\n"):
        offsets.append(offsets[-1] + len(line) + 1)
    found = []
    # A lone carriage return would be a line break to the parser, and none to us; a space keeps the offsets.
    for token, inline in pairwise(_parser().parse(text.replace("\r", " "))):
        if token.type == "heading_open" and token.level == 0 and token.map:
            start, end = offsets[token.map[0]], min(offsets[token.map[1]], len(text))
            indent = len(text[start:end]) - len(text[start:end].lstrip())
            found.append(Heading(start + indent, end, int(token.tag[1]), shown(inline.content)))
    return found


def sections(text: str, headings: Sequence[Heading]) -> list[Span]:
    """Cut a text in front of each heading that has text above it; headings that follow each other stay together.

    Working section by section keeps passages from crossing a heading, and is three times as fast: the splitter counts
    the tokens of every structure it might keep whole, and a document is the largest of them.
    """
    cuts = [0]
    body_from = 0
    for heading in headings:
        if text[body_from : heading.start].strip():
            cuts.append(heading.start)
        body_from = heading.end
    return [(start, end) for start, end in pairwise([*cuts, len(text)]) if text[start:end].strip()]


def nested_sections(text: str, headings: Sequence[Heading]) -> list[Span]:
    """Return for each heading the span from it to the next heading of its level or above, subsections included."""
    spans: list[Span] = []
    open_places: list[int] = []
    for place, heading in enumerate(headings):
        spans.append((heading.start, len(text)))
        while open_places and headings[open_places[-1]].level >= heading.level:
            closed = open_places.pop()
            spans[closed] = (spans[closed][0], heading.start)
        open_places.append(place)
    return spans


def heading_paths(text: str, spans: Sequence[Span], headings: Sequence[Heading]) -> list[list[str]]:
    """Return for each span the headings it stands under, outermost first.

    Headings that open a span count; those further down stand above its later text only.
    """
    paths = []
    stack: list[Heading] = []
    position = 0
    for start, end in spans:
        body_from = leading_headings_end(text, (start, end), headings)
        reached = max(start, body_from)
        path: list[str] | None = None
        while position < len(headings) and headings[position].start < end:
            if headings[position].start >= reached and path is None:
                path = [heading.words for heading in stack if heading.words]
            stack = [above for above in stack if above.level < headings[position].level] + [headings[position]]
            position += 1
        paths.append(path if path is not None else [heading.words for heading in stack if heading.words])
    return paths


def leading_headings_end(text: str, span: Span, headings: Sequence[Heading]) -> int:
    """Return where the headings that open a span end: its start, if it opens with anything else."""
    start, end = span
    reached = start
    for place in range(bisect_left(headings, start, key=lambda heading: heading.start), len(headings)):
        if headings[place].start >= end or text[reached : headings[place].start].strip():
            break
        reached = min(headings[place].end, end)
    return reached


@cache
def _parser() -> MarkdownIt:
    # Inline parsing is left out: a heading needs only its source lines.
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser
