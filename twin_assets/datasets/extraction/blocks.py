"""A cleaned document as a list of Markdown blocks, each with its offsets and its plain words.

What a block is good for (an answer, a lead-in, nothing) is decided in `passages`; the Markdown itself is read by
markdown-it-py, and no text is changed here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

BlockKind = Literal["heading", "paragraph", "list", "code", "table", "quote", "other"]

_KINDS: dict[str, BlockKind] = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "fence": "code",
    "code_block": "code",
    "table_open": "table",
    "blockquote_open": "quote",
}
_LINE_END = re.compile(r"\r\n?|\n")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")


@dataclass(frozen=True, slots=True)
class Block:
    """One top-level block of a Markdown document.

    Attributes:
        kind: What it is.
        text: The block verbatim, marks included: `document.text[start:end]`.
        start: Offset of its first character that is not white space.
        end: Offset after its last character that is not white space.
        items: Its plain texts without marks and pictures: one per paragraph or list item. Code has one, its source.
        level: 1 to 6 for a heading, 0 otherwise.
        language: Info string of a fence, lower case.
        words_in_links: Words that are link texts or addresses.
        all_bold: Whether a paragraph is bold from end to end, as a heading in disguise is.
        all_italic: Whether it is italic from end to end, as captions and asides are.
        has_picture: Whether a picture stands in it.
    """

    kind: BlockKind
    text: str
    start: int
    end: int
    items: tuple[str, ...]
    level: int = 0
    language: str = ""
    words_in_links: int = 0
    all_bold: bool = False
    all_italic: bool = False
    has_picture: bool = False

    @property
    def plain(self) -> str:
        """The plain text of the block, one line per item."""
        return "\n".join(self.items)

    @property
    def n_words(self) -> int:
        """Words of the block as it stands, split at white space, as `CleanedDocument.n_words` counts them."""
        return len(self.text.split())


def blocks(text: str) -> list[Block]:
    """Return the top-level blocks of a Markdown text in order. Link definitions and blank lines belong to none."""
    offsets = line_offsets(text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [_block(text, offsets, group) for group in _top_level(tokens)]


def line_offsets(text: str) -> list[int]:
    """Return the offset of every line, and of the end of the text, by the line ends that Markdown and Python know.

    `str.splitlines` knows more of them, such as the form feed, and its line numbers would not agree with theirs.
    """
    return [0, *(match.end() for match in _LINE_END.finditer(text)), len(text)]


def _top_level(tokens: list[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of one top-level block after the other."""
    group: list[Token] = []
    for token in tokens:
        group.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield group
            group = []


def _block(text: str, offsets: list[int], tokens: list[Token]) -> Block:
    opening = tokens[0]
    first, last = opening.map or [0, 0]
    raw = text[offsets[first] : offsets[min(last, len(offsets) - 1)]]
    kind = _KINDS.get(opening.type, "other")
    # Indented code keeps its indentation: without it the first line would no longer be code.
    lead = 0 if opening.type == "code_block" else len(raw) - len(raw.lstrip())
    start = offsets[first] + lead
    end = offsets[first] + len(raw.rstrip())
    inline = [token for token in tokens if token.type == "inline"]
    children = [child for token in inline for child in token.children or []]
    return Block(
        kind=kind,
        text=text[start:end],
        start=start,
        end=end,
        items=(opening.content,) if kind == "code" else tuple(filter(None, (_plain(token) for token in inline))),
        level=int(opening.tag[1]) if kind == "heading" else 0,
        language=opening.info.strip().split(" ")[0].lower() if opening.info else "",
        words_in_links=_words_in_links(children),
        all_bold=kind == "paragraph" and _wrapped_in("strong", children),
        all_italic=kind == "paragraph" and _wrapped_in("em", children),
        has_picture=any(child.type == "image" for child in children),
    )


def _plain(inline: Token) -> str:
    """Return the words of an inline token: no marks, no pictures, no inline HTML, hard-wrapped lines joined."""
    parts = []
    for child in inline.children or []:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return " ".join("".join(parts).split())


def _words_in_links(children: list[Token]) -> int:
    count = depth = 0
    for child in children:
        depth += {"link_open": 1, "link_close": -1}.get(child.type, 0)
        if child.type in ("text", "code_inline"):
            count += len(child.content.split()) if depth else len(_ADDRESS.findall(child.content))
    return count


def _wrapped_in(mark: str, children: list[Token]) -> bool:
    """Whether every word stands inside this mark (`strong` or `em`)."""
    depth, wrapped = 0, False
    for child in children:
        depth += {f"{mark}_open": 1, f"{mark}_close": -1}.get(child.type, 0)
        if child.type in ("text", "code_inline") and child.content.strip():
            if not depth:
                return False
            wrapped = True
    return wrapped
