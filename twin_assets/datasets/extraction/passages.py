"""Candidate answers: spans of a cleaned document that a person could have written in reply to a request.

A passage of prose is made of whole blocks that stand next to each other under one heading: paragraphs, a list with its
lead-in, code with its explanation. How blocks cling together is decided in `units`, functions and files of a repository
are found in `code_passages`, and what is asked for a passage is decided in `instructions`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from twin_assets.datasets.extraction.blocks import Block, blocks
from twin_assets.datasets.extraction.code_passages import CodeSpan, code_spans, is_path
from twin_assets.datasets.extraction.fitness import is_heading_in_disguise
from twin_assets.datasets.extraction.units import MAX_UNIT_WORDS, Unit, unit_runs
from twin_assets.documents import Category, CleanedDocument

MIN_WORDS = {"articles": 35, "posts": 40, "repositories": 20}
"""Shortest passage of prose, in words at white space. A README says in a line what an article says in a paragraph."""
MAX_WORDS = MAX_UNIT_WORDS
"""Longest passage: a few paragraphs, well inside a window of 512 tokens."""
ENOUGH_WORDS = 50
"""From here on a passage takes in the next unit only if that unit cannot stand alone."""
MIN_PROSE_WORDS = 20
"""A passage with fewer words outside its code explains nothing."""
POST_WORDS = (20, 250)
"""A post of this length is one passage, whole; a longer one is cut like an article."""

PassageKind = Literal["prose", "post", "function", "class", "file"]

_FURNITURE = re.compile(
    r"(?:references?|bibliography|sources?|images?|credits|further reading|read more|resources?|links?|"
    r"(?:table of )?contents|footnotes?|notes|acknowledge?ments?|about the authors?|disclaimer|licen[cs]e|"
    r"share this post|related (?:posts|articles)|comments?)\W*",
    re.IGNORECASE,
)
"""Headings of sections that hold no answer."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One candidate answer: `text == document.text[start:end]`.

    Attributes:
        document_id: Document it stands in.
        author: Slug of the author.
        category: Category of the document.
        kind: What it is: decides which instructions can ask for it.
        text: The passage, verbatim.
        start: Offset of its first character in the cleaned text.
        end: Offset after its last character.
        plain: Its prose without Markdown marks and code, or the code itself: what keyphrases are read from.
        headings: Headings above it, outermost first, as plain text.
        section: 0-based number of the section (the stretch between two headings) it stands in.
        code: Which function or file it is; None for prose and posts.
        before: The text right above it, under the same heading; None if it is the first.
        leans: Whether its first words lean on that text ("This is why ..."), so that it cannot stand by itself.
    """

    document_id: str
    author: str
    category: Category
    kind: PassageKind
    text: str
    start: int
    end: int
    plain: str
    headings: tuple[str, ...] = ()
    section: int = 0
    code: CodeSpan | None = None
    before: str | None = None
    leans: bool = False


class Scan(NamedTuple):
    """The passages of a document, and how many pieces of it became none, by reason."""

    passages: list[Passage]
    dropped: Counter[str]


class _Section(NamedTuple):
    number: int
    headings: tuple[str, ...]
    blocks: list[Block]


def passages(document: CleanedDocument) -> list[Passage]:
    """Return the candidate answers of a document in order; none overlaps another."""
    return scan(document).passages


def scan(document: CleanedDocument) -> Scan:
    """Return the candidate answers of a document, with the reasons why the rest of it is none."""
    parts = blocks(document.text)
    if document.category == "posts" and document.n_words <= POST_WORDS[1]:
        return _whole_post(document, parts)
    dropped: Counter[str] = Counter()
    found: list[Passage] = []
    for section in _sections(parts):
        if section.headings and _FURNITURE.fullmatch(section.headings[-1]):
            dropped["references and furniture"] += len(section.blocks)
        elif document.category == "repositories" and section.headings and is_path(section.headings[-1]):
            found += _code(document, section, dropped)
        else:
            found += _prose(document, section, dropped)
    return Scan(found, +dropped)


def _whole_post(document: CleanedDocument, parts: Sequence[Block]) -> Scan:
    words = sum(len(block.plain.split()) - block.words_in_links for block in parts)
    if words < POST_WORDS[0]:
        return Scan([], Counter({"too short": 1}))
    plain = "\n".join(block.plain for block in parts if block.kind != "code")
    whole = _Section(0, (), list(parts))
    return Scan([_passage(document, "post", (parts[0].start, parts[-1].end), plain, whole)], Counter())


def _sections(parts: Iterable[Block]) -> Iterator[_Section]:
    """Yield the stretches between headings. Bold lines count as headings of the lowest level."""
    above: list[tuple[int, str]] = []
    number = 0
    current: list[Block] = []
    for block in parts:
        disguised = is_heading_in_disguise(block)
        if block.kind != "heading" and not disguised:
            current.append(block)
            continue
        yield _Section(number, tuple(title for _, title in above), current)
        level = 7 if disguised else block.level
        above = [(depth, title) for depth, title in above if depth < level]
        if block.plain:
            above.append((level, _title(block)))
        number, current = number + 1, []
    yield _Section(number, tuple(title for _, title in above), current)


def _title(heading: Block) -> str:
    """Return a heading's words; a path as it stands, since Markdown would read `__main__.py` as bold."""
    path = heading.text.lstrip("# ")
    return path if is_path(path) else unicodedata.normalize("NFKC", heading.plain)


def _prose(document: CleanedDocument, section: _Section, dropped: Counter[str]) -> Iterator[Passage]:
    for before, units in _packed(document, section, dropped):
        start, end = units[0].blocks[0].start, units[-1].blocks[-1].end
        plain = "\n".join(unit.plain for unit in units)
        leans = units[0].leans and before is not None
        found = _passage(document, "prose", (start, end), plain, section)
        yield replace(found, before=_text_of(document, before), leans=leans)


def _text_of(document: CleanedDocument, unit: Unit | None) -> str | None:
    return document.text[unit.blocks[0].start : unit.blocks[-1].end] if unit else None


def _packed(
    document: CleanedDocument, section: _Section, dropped: Counter[str]
) -> Iterator[tuple[Unit | None, list[Unit]]]:
    """Yield runs of units packed to the length of a passage, each with the unit right before it."""
    shortest = MIN_WORDS[document.category]
    for run in unit_runs(document.text, section.blocks, dropped):
        packed: list[list[Unit]] = []
        for unit in run:
            if packed and _belongs(packed[-1], unit):
                packed[-1].append(unit)
            else:
                packed.append([unit])
        if len(packed) > 1 and _n_words(packed[-1]) < shortest and _n_words(packed[-2] + packed[-1]) <= MAX_WORDS:
            packed[-2:] = [packed[-2] + packed[-1]]
        before: Unit | None = None
        for units in packed:
            last = units[-1]
            # Right under a heading an opening "It" or "This" leans on the heading, which the instruction will name.
            while units and not before and units[0].leans and units[0].blocks[0] is not section.blocks[0]:
                units.pop(0)
                dropped["leans on what went before"] += 1
            if _n_words(units) >= shortest and sum(len(unit.plain.split()) for unit in units) >= MIN_PROSE_WORDS:
                yield before, units
            elif units:
                dropped["too short"] += len(units)
            before = last


def _belongs(units: Sequence[Unit], unit: Unit) -> bool:
    words = _n_words(units)
    return words + unit.n_words <= MAX_WORDS and (words < ENOUGH_WORDS or unit.leans)


def _n_words(units: Iterable[Unit]) -> int:
    return sum(unit.n_words for unit in units)


def _code(document: CleanedDocument, section: _Section, dropped: Counter[str]) -> Iterator[Passage]:
    for span in code_spans(section.headings[-1], section.blocks, dropped):
        text = document.text[span.start : span.end]
        yield replace(_passage(document, span.kind, (span.start, span.end), text, section), code=span)


def _passage(
    document: CleanedDocument, kind: PassageKind, span: tuple[int, int], plain: str, section: _Section
) -> Passage:
    return Passage(
        document_id=document.document_id,
        author=document.author,
        category=document.category,
        kind=kind,
        text=document.text[span[0] : span[1]],
        start=span[0],
        end=span[1],
        plain=plain,
        headings=section.headings,
        section=section.number,
    )
