"""Markdown blocks: a text taken apart into headings, paragraphs, lists, quotes, tables and code.

Here stand the parser, the joining of hard-wrapped lines, and the fencing of code. What a block's words mean, and
whether a block is wanted, is decided in `furniture`; what happens inside a line is the business of `inline`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

BlockKind = Literal["heading", "paragraph", "list", "quote", "code", "table", "rule", "html"]

_KINDS: dict[str, BlockKind] = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "blockquote_open": "quote",
    "code_block": "code",
    "fence": "code",
    "table_open": "table",
    "hr": "rule",
    "html_block": "html",
}

WRAP_SHARE = 0.85
"""A text is hard-wrapped if at least this share of its line breaks falls where the next word had no room left."""

WRAP_WIDTHS = range(60, 141)
"""Widths, in characters, at which editors and converters wrap; shorter lines are verse, or a post's own line breaks."""

_COMPOUND = re.compile(r"[^-]*[^\W\d_]{2}-(?=[^\W\d_])")
_HYPHEN_AT_END = re.compile(r"[^\W\d_]-\s*$")
_WORD_AFTER_HYPHEN = re.compile(r"(?!(?:and|or|to|und|oder|et|ou|y|o)\b)[*_]*[^\W\d_]", re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """One top-level block of a Markdown text: its kind, its source, and for a heading its level (1 to 6)."""

    kind: BlockKind
    text: str
    level: int = 0


@dataclass(frozen=True)
class Wrapping:
    """How a text breaks its lines: `hard_wrapped` at `width` characters, or only where the author meant it."""

    hard_wrapped: bool
    width: int = 0

    def explains(self, line: str, following: str) -> bool:
        """Whether `line` ends where it does because the first word of `following` had no room left."""
        return self.hard_wrapped and len(line.rstrip()) + _needed(following) > self.width


@dataclass(frozen=True)
class Surroundings:
    """What a line cannot say itself: whether its text is hard-wrapped, and the link references defined in it."""

    hard_wrapped: bool = False
    references: frozenset[str] = frozenset()


Tidy = Callable[[str, Surroundings], str]


def parse_blocks(text: str, *, tidy: Tidy = lambda line, _: line, plain: bool = False) -> list[Block]:
    """Take a Markdown text apart, join its hard-wrapped lines and fence its indented code.

    Code is never changed: a fence is passed on as it stands, and an indented block becomes a fence around the same
    characters. Every other run of inline text goes through `tidy`.

    Args:
        text: Markdown, or plain text.
        tidy: Called with each paragraph, heading and table row outside code blocks.
        plain: Plain text: indentation, underlines and angle brackets then mean nothing.

    Returns:
        The blocks in order. Blank lines between them, and link reference definitions, are gone.
    """
    lines = fence_converted_code(text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    environment: dict[str, Any] = {}
    tokens = _parser(plain=plain).parse("\n".join(lines), environment)
    wrapping = detect_wrapping(lines, tokens)
    around = Surroundings(wrapping.hard_wrapped, frozenset(environment.get("references", ())))
    edits = _edits(lines, tokens, lambda line: tidy(line, around), wrapped=wrapping.hard_wrapped)
    return list(_blocks(lines, tokens, wrapping, edits))


def fence(code: str, language: str = "") -> str:
    """Return `code` as a fenced block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{code if code.endswith(chr(10)) else code + chr(10)}{marks}"


def fence_converted_code(text: str) -> str:
    """Fence the code blocks that HTML-to-text converters write.

    html2text begins an indented block with two lines of exactly four spaces. After a list, CommonMark would read such a
    block as one more paragraph of the last item, and its line breaks would be lost: so it is fenced before parsing.
    """
    if "\n    \n    \n" not in "\n" + text:
        return text
    lines = text.split("\n")
    result: list[str] = []
    position = 0
    while position < len(lines):
        if lines[position : position + 2] != ["    ", "    "]:
            result.append(lines[position])
            position += 1
            continue
        end = position
        while end < len(lines) and lines[end].startswith("    "):
            end += 1
        code = "\n".join(line[4:] for line in lines[position + 2 : end])
        if code.strip():
            result += ["", *fence(code).split("\n"), ""]
        position = end
    return "\n".join(result)


def detect_wrapping(lines: Sequence[str], tokens: Sequence[Token]) -> Wrapping:
    """Tell whether a text was wrapped at a fixed width, from the line breaks inside its paragraphs.

    In a wrapped text nearly every break stands where the next word had no room; in a post with breaks of its own, or
    with one sentence a line, few do. Breaks that are meant (two spaces or a backslash at the end) do not count.
    """
    breaks = [
        (lines[row], lines[row + 1])
        for start, end in _paragraph_rows(tokens)
        for row in range(start, end - 1)
        if not _is_meant(lines[row])
    ]
    if not breaks:
        return Wrapping(hard_wrapped=False)
    lengths = sorted(len(line.rstrip()) for line, _ in breaks)
    width = lengths[int(0.95 * (len(lengths) - 1))]
    candidate = Wrapping(hard_wrapped=True, width=width)
    explained = sum(candidate.explains(line, following) for line, following in breaks)
    if width in WRAP_WIDTHS and explained >= WRAP_SHARE * len(breaks):
        return candidate
    return Wrapping(hard_wrapped=False)


def join_lines(text: str, *, wrapped: bool) -> str:
    """Join the lines of a hard-wrapped paragraph; a break that the author meant stays a line break.

    A hyphen at the end of a line belongs to the word ("fine-" and "tuning" give "fine-tuning"), unless it hangs, as in
    "pre- and post-processing".
    """
    rows = text.split("\n")
    joined = rows[0]
    for row in rows[1:]:
        if not wrapped or _is_meant(joined):
            joined = f"{joined.rstrip().removesuffix(chr(92))}\n{row.lstrip()}"
        elif _HYPHEN_AT_END.search(joined) and _WORD_AFTER_HYPHEN.match(row.lstrip()):
            joined = joined.rstrip() + row.lstrip()
        else:
            joined = f"{joined.rstrip()} {row.lstrip()}"
    return joined.rstrip()


@cache
def _parser(*, plain: bool) -> MarkdownIt:
    # Inline parsing is left out: a block needs only its source lines.
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    if plain:
        parser.disable(["code", "html_block", "lheading", "reference"])
    return parser


def _needed(following: str) -> int:
    # A wrapper may also break after the hyphen of a compound: only its first part needs room.
    word = (following.lstrip("> \t").split(maxsplit=1) or [""])[0]
    part = _COMPOUND.match(word)
    return 1 + len(part.group() if part else word) if word else 0


def _is_meant(line: str) -> bool:
    return line.endswith(("  ", "\\"))


def _rows(token: Token) -> tuple[int, int]:
    return (token.map[0], token.map[1]) if token.map else (0, 0)


def _paragraph_rows(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    for before, token in pairwise(tokens):
        if token.type == "inline" and before.type == "paragraph_open":
            yield _rows(token)


def _edits(
    lines: Sequence[str], tokens: Sequence[Token], tidy: Callable[[str], str], *, wrapped: bool
) -> dict[int, tuple[int, list[str]]]:
    """Map the first row of each run of inline text to the row after it, and to the lines that replace it."""
    edits: dict[int, tuple[int, list[str]]] = {}
    for before, token in pairwise(tokens):
        if token.type != "inline":
            continue
        start, end = _rows(token)
        source = lines[start].rstrip()
        if before.type == "paragraph_open":
            first = token.content.split("\n", 1)[0].rstrip()
            prefix = re.sub(r"(?<=>)\s+$", " ", source[: len(source) - len(first)])
            following = re.sub(r"[^>\s]", " ", prefix)
            head, *rest = tidy(join_lines(token.content, wrapped=wrapped)).split("\n")
            edits[start] = (end, [prefix + head, *(following + line for line in rest)])
        elif before.type == "heading_open":
            prefix = re.match(r"[>\s]*", source).group()  # type: ignore[union-attr]  # it matches any string
            hashes = "#" * int(before.tag[1])
            edits[start] = (_rows(before)[1], [f"{prefix}{hashes} {tidy(token.content)}".rstrip()])
        elif before.type in ("th_open", "td_open"):
            edits[start] = (start + 1, [tidy(source)])
    return edits


def _blocks(
    lines: Sequence[str], tokens: Sequence[Token], wrapping: Wrapping, edits: dict[int, tuple[int, list[str]]]
) -> Iterator[Block]:
    code_rows = {row for token in tokens if token.type in ("fence", "code_block") for row in range(*_rows(token))}
    lines = [line if row in code_rows else line.rstrip() for row, line in enumerate(lines)]
    heading: Block | None = None
    for token in tokens:
        kind = _KINDS.get(token.type)
        if token.level or kind is None:
            continue
        start, end = _rows(token)
        block = _block(kind, token, _edited(lines, start, end, edits))
        if heading and kind == "paragraph" and start and wrapping.explains(lines[start - 1], lines[start]):
            # A converter wrapped the heading itself: what follows without a blank line is its second line.
            heading = Block("heading", join_lines(f"{heading.text}\n{block.text}", wrapped=True), heading.level)
            continue
        if heading:
            yield heading
        heading = block if kind == "heading" else None
        if heading is None:
            yield block
    if heading:
        yield heading


def _block(kind: BlockKind, token: Token, rows: list[str]) -> Block:
    if kind == "heading":
        return Block(kind, rows[0].strip(), int(token.tag[1]))
    if kind == "code":
        return Block(kind, fence(token.content) if token.type == "code_block" else "\n".join(rows).rstrip("\n"))
    if kind == "rule":
        return Block(kind, "---")
    if kind == "paragraph":
        rows = [row.strip() for row in rows]
    if kind == "list":
        margin = min((len(row) - len(row.lstrip()) for row in rows if row.strip()), default=0)
        rows = [row[margin:] for row in rows]
    return Block(kind, "\n".join(rows).strip("\n"))


def _edited(lines: Sequence[str], start: int, end: int, edits: dict[int, tuple[int, list[str]]]) -> list[str]:
    result: list[str] = []
    row = start
    while row < end:
        stop, replacement = edits.get(row, (row + 1, [lines[row]]))
        result += replacement
        row = stop
    return result
