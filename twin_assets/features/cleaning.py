"""Cleaning: a collected document becomes Markdown that holds the author's words and nothing else.

This module leads through the steps. The parts stand beside it: `html` and `glued` turn what was collected into
Markdown, `blocks` takes it apart, `inline` tidies lines, `furniture` and `layout` know what is the site's. Code, fenced
or in a `pre` element, indented or inside a line, is passed through to the character.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from twin_assets.documents import CleanedDocument, RawDocument
from twin_assets.features.blocks import Block, Surroundings, fence, parse_blocks
from twin_assets.features.furniture import Page
from twin_assets.features.glued import is_glued, separate
from twin_assets.features.html import html_to_markdown, is_html
from twin_assets.features.inline import tidy_inline
from twin_assets.features.layout import drop_furniture, join_mentions
from twin_assets.features.titles import clean_title

_LANGUAGES = {
    "py": "python", "pyi": "python", "js": "javascript", "ts": "typescript", "rb": "ruby", "rs": "rust", "sh": "bash",
    "md": "markdown", "yml": "yaml", "kt": "kotlin", "cs": "csharp", "h": "c", "hpp": "cpp", "cc": "cpp", "tf": "hcl",
    "htm": "html", "txt": "text", "rst": "rst", "cfg": "ini",
}  # fmt: skip
_NAMED_FILES = {"dockerfile": "dockerfile", "makefile": "makefile", "gemfile": "ruby", "procfile": "text"}


@dataclass(frozen=True)
class CleaningResult:
    """What cleaning left of one document, and what it took away."""

    document: CleanedDocument | None
    """The cleaned document; None if nothing is left."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Characters removed, by reason, the largest first."""
    reason: str | None = None
    """One sentence on why nothing is left; None if something is."""


def clean_document(document: RawDocument) -> CleaningResult:
    """Clean one collected document.

    Headings, lists, tables, quotes, emphasis, link texts and paragraphs stay; hard-wrapped lines are joined. Menus,
    tables of contents, subscribe, share and sign-in boxes, cookie notices, bylines, comments, footers and images go.
    Code stays as it was, to the character; indented code becomes fenced.

    Args:
        document: An article or post with `text`, or a repository with `files` (its README, then every other file in
            the order of paths, each fenced under a heading that is its path).

    Returns:
        The cleaned document with what was dropped, or the reason why nothing is left.
    """
    dropped: Counter[str] = Counter()
    page = Page([], document.title, document.subtitle, document.author)
    kept: list[Block] = []
    if document.text:
        page = read_page(document, dropped)
        drop_furniture(page)
        for block, reason in zip(page.blocks, page.reasons, strict=True):
            if reason:
                dropped[reason] += len(block.text)
            else:
                kept.append(block)
    if document.files:
        kept += _repository_blocks(document, dropped)
    text = "\n\n".join(block.text for block in kept)
    counts = dict(sorted(((reason, n) for reason, n in dropped.items() if n), key=lambda item: (-item[1], item[0])))
    if not any(character.isalnum() for character in text):
        return CleaningResult(None, counts, _why_empty(document, counts))
    cleaned = CleanedDocument(
        document_id=document.document_id,
        author=document.author,
        category=document.category,
        platform=document.platform,
        url=document.url,
        title=clean_title(
            document.title,
            author=document.author,
            platform=document.platform,
            # A post has no title: its first line is a first line.
            blocks=kept if document.category != "posts" else (),
        ),
        text=text,
        language=document.language,
        published_at=document.published_at,
        content_hash=document.content_hash,
        duplicate_of=None,
        n_words=len(text.split()),
    )
    return CleaningResult(cleaned, counts)


def read_page(document: RawDocument, dropped: Counter[str]) -> Page:
    """Take a document's text apart, whatever form it was collected in."""
    text = document.text or ""
    title = clean_title(document.title, author=document.author, platform=document.platform)
    if document.media_type == "text/html":
        blocks = _markdown_blocks(html_to_markdown(text, dropped), dropped)
    elif is_glued(text):
        blocks = _markdown_blocks(separate(text, title=title, subtitle=document.subtitle, dropped=dropped), dropped)
    else:
        blocks = _markdown_blocks(text, dropped, plain=document.media_type == "text/plain")
    return Page(join_mentions(blocks), title, document.subtitle, document.author)


def _markdown_blocks(text: str, dropped: Counter[str], *, plain: bool = False) -> list[Block]:
    def tidy(line: str, around: Surroundings) -> str:
        return tidy_inline(line, around, dropped)

    blocks: list[Block] = []
    for block in parse_blocks(text, tidy=tidy, plain=plain):
        if block.kind == "html" and not is_html(block.text):
            blocks.append(Block("paragraph", block.text))
        elif block.kind == "html":
            # A README may hold raw HTML; what it says is Markdown like the rest.
            blocks += [inner for inner in parse_blocks(html_to_markdown(block.text, dropped), tidy=tidy) if inner.text]
        elif block.text:
            blocks.append(block)
    return blocks


def _repository_blocks(document: RawDocument, dropped: Counter[str]) -> Iterator[Block]:
    files = document.files or {}
    readme = next((path for path in sorted(files, key=_depth) if PurePosixPath(path).stem.lower() == "readme"), None)
    if readme is not None:
        plain = PurePosixPath(readme).suffix.lower() not in ("", ".md", ".markdown")
        yield from _markdown_blocks(files[readme], dropped, plain=plain)
    for path in sorted(files):
        if path == readme or not files[path].strip():
            continue
        if "\0" in files[path]:
            dropped["binary file"] += len(files[path])
            continue
        yield Block("heading", f"## {path}", 2)
        yield Block("code", fence(files[path], _language(path)))


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _language(path: str) -> str:
    name = PurePosixPath(path)
    ending = name.suffix.lower().removeprefix(".")
    return _NAMED_FILES.get(name.name.lower()) or _LANGUAGES.get(ending, ending)


def _why_empty(document: RawDocument, dropped: dict[str, int]) -> str:
    if not dropped:
        return f"Document {document.document_id} holds no text: check what the source '{document.source}' collected."
    largest = ", ".join(f"{reason} ({count} characters)" for reason, count in list(dropped.items())[:3])
    return f"Nothing of document {document.document_id} is the author's: all of it was dropped as {largest}."
