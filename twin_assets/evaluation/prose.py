"""What of a Markdown document is prose, and where: paragraphs, list items, sentences and words.

Style is measured on prose alone, and retrieval queries are prose sentences, so both read documents through here.
Nothing is measured in this module, and no text is rewritten beyond leaving Markdown out of it.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

Kind = Literal["paragraph", "item", "heading", "table", "code"]

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_URL = re.compile(r"<?\b(?:https?://|www\.)[^\s<>\")\]]*[^\s<>\")\].,;:!?]>?")
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u2032": "'"})

# What may close a sentence after its stop: straight and typographic quotes, brackets, emphasis marks.
_CLOSING = "\"'\u2019\u201d)]*_"
_OPENING = "\"'\u2018\u201c([*_"
_SENTENCE_END = re.compile(rf"[.!?…]+[{re.escape(_CLOSING)}]*(?=\s|$)|\n\s*\n")
_STARTS_A_SENTENCE = re.compile(rf"[{re.escape(_OPENING)}]*(?:[^\W_a-z]|[^\w\s])")
_ABBREVIATION = re.compile(
    r"(?:\b(?i:e\.g|i\.e|vs|cf|al|approx|ca|vol|pp|fig|figs|eq|dept|est|inc|ltd|corp|jr|sr|st|mr|mrs|ms|dr|prof|gen|"
    r"rev|hon|jan|feb|apr|jun|jul|aug|sept?|oct|nov|dec|u\.s|u\.k)|\b[A-HJ-Z])\.$"
)
_LONGEST_ABBREVIATION = 12


class Passage(NamedTuple):
    """One block of a Markdown document.

    Attributes:
        kind: What it is. Paragraphs and list items are prose; the rest is not.
        text: Its text without Markdown marks, inline code, pictures and addresses; code keeps its text.
        source: First and one-past-last line of the block in the Markdown, 0-based.
    """

    kind: Kind
    text: str
    source: tuple[int, int]


def passages(markdown: str) -> list[Passage]:
    """Return the blocks of a Markdown document in order; raw HTML is left out."""
    found = []
    for kind, token in _blocks(_parser().parse(markdown)):
        text = token.content if kind == "code" else _plain(token)
        if text.strip():
            first, last = token.map or (0, 0)
            found.append(Passage(kind, text, (first, last)))
    return found


def prose_of(markdown: str) -> str:
    """Return the prose of a Markdown document: its paragraphs and list items, one blank line between them.

    Headings, tables, fenced and inline code, pictures, raw HTML, addresses and Markdown marks are left out; the text
    of a link stays. Hard-wrapped lines are joined.
    """
    return "\n\n".join(passage.text for passage in passages(markdown) if passage.kind in ("paragraph", "item"))


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case: runs of letters, with apostrophes inside them ("don't").

    Typographic apostrophes become straight ones and compatibility letters (as in bold made of mathematical symbols)
    their plain form, so that a word counts as the same word however it was typed. Numbers are not words here.
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower())


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return start and end of each sentence in a text, without the white space around it.

    A sentence ends at a blank line, and at `.`, `!`, `?` or `…` before white space and something that can begin a
    sentence, unless the stop belongs to an abbreviation ("e.g.", "Dr.") or an initial. Stops inside addresses and
    numbers have no white space after them and end nothing. Rule-based; made for English.
    """
    spans = []
    start = 0
    for end in _sentence_ends(text):
        begin = start + len(text[start:end]) - len(text[start:end].lstrip())
        finish = begin + len(text[begin:end].rstrip())
        if finish > begin:
            spans.append((begin, finish))
        start = end
    return spans


def _sentence_ends(text: str) -> Iterator[int]:
    for match in _SENTENCE_END.finditer(text):
        if match.group(0).isspace():
            yield match.end()
            continue
        up_to_stop = text[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start() + 1]
        if match.group(0).rstrip(_CLOSING) == "." and _ABBREVIATION.search(up_to_stop):
            continue
        rest = text[match.end() : match.end() + 80].lstrip()
        if rest and not _STARTS_A_SENTENCE.match(rest):
            continue
        yield match.end()
    yield len(text)


def _parser() -> "MarkdownIt":
    # Imported here, because a tenth of a second is much for those who only load the definitions.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")


def _blocks(tokens: "list[Token]") -> "Iterator[tuple[Kind, Token]]":
    """Yield what each block is with the token that holds its content."""
    around: list[str] = []
    for token in tokens:
        if token.type in ("fence", "code_block"):
            yield "code", token
        elif token.type == "inline":
            yield _kind_within(around), token
        elif token.nesting == 1:
            around.append(token.type)
        elif token.nesting == -1:
            around.pop()


def _kind_within(around: list[str]) -> Kind:
    if "heading_open" in around:
        return "heading"
    if "table_open" in around:
        return "table"
    if "list_item_open" in around:
        return "item"
    return "paragraph"


def _plain(inline: "Token") -> str:
    """Return the words of an inline token; what stands for a gap (a line break, code) becomes a space."""
    parts = []
    for child in inline.children or []:
        if child.type == "text":
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak", "code_inline"):
            parts.append(" ")
    text = _URL.sub(" ", "".join(parts))
    return re.sub(r" +([,.;:!?])", r"\1", re.sub(r"\s+", " ", text)).strip()
