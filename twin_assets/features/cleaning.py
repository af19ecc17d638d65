"""Cleaning: a collected document becomes Markdown that holds the author's words and nothing else.

This module leads through the steps for one document; what only all documents of an author together can tell stands in
`corpus`. Each category has a cleaner of its own: `articles`, `posts`, `repositories`. They share `reading` (from HTML,
text or Markdown to blocks), `inline` (tidy lines), `furniture` and `layout` (what is the site's). Code, fenced or in a
`pre` element, indented or inside a line, is passed through to the character, but for secrets (`masking`).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from twin_assets.documents import Category, CleanedDocument, RawDocument
from twin_assets.features.articles import article_blocks
from twin_assets.features.blocks import Block
from twin_assets.features.language import language_of
from twin_assets.features.masking import mask_personal_data
from twin_assets.features.posts import post_blocks
from twin_assets.features.repositories import repository_blocks
from twin_assets.features.titles import clean_title

CLEANERS: Mapping[Category, Callable[[RawDocument, Counter[str]], list[Block]]] = {
    "articles": article_blocks,
    "posts": post_blocks,
    "repositories": repository_blocks,
}


@dataclass
class Draft:
    """A document on its way: the blocks that are kept so far, and the characters that are gone, by reason."""

    document: RawDocument
    blocks: list[Block]
    dropped: Counter[str]
    unreadable: str | None = None
    """One sentence on why the document cannot be read; None if it can."""


@dataclass(frozen=True)
class CleaningResult:
    """What cleaning left of one document, and what it took away."""

    document: CleanedDocument | None
    """The cleaned document; None if nothing is left."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Characters removed, by reason, the largest first."""
    masked: dict[str, int] = field(default_factory=dict)
    """Personal data and secrets replaced by placeholders: how many, by kind."""
    reason: str | None = None
    """One sentence on why nothing is left; None if something is."""


def clean_document(document: RawDocument, *, mask: bool = True) -> CleaningResult:
    """Clean one collected document by itself.

    Headings, lists, tables, quotes, emphasis, link texts and paragraphs stay; hard-wrapped lines are joined. What the
    site put around them goes. Code stays as it was, to the character; indented code becomes fenced.

    Args:
        document: An article or post with `text`, or a repository with `files`.
        mask: Replace personal data and secrets by placeholders.

    Returns:
        The cleaned document with what was dropped, or the reason why nothing is left.
    """
    return finish(draft(document), mask=mask)


def draft(document: RawDocument) -> Draft:
    """Return the blocks of a document that are its author's, as far as the document alone can tell.

    One whose elements are nested without end has none: one broken page must not keep the other documents from being
    cleaned.
    """
    dropped: Counter[str] = Counter()
    try:
        return Draft(document, CLEANERS[document.category](document, dropped), dropped)
    except RecursionError:
        reason = f"Document {document.document_id} cannot be read: its elements are nested too deeply."
        return Draft(document, [], Counter(), unreadable=reason)


def finish(draft: Draft, *, mask: bool) -> CleaningResult:
    """Put the blocks of a draft together again as the text of a cleaned document."""
    document, blocks = draft.document, draft.blocks
    text = "\n\n".join(block.text for block in blocks)
    dropped = {reason: n for reason, n in sorted(draft.dropped.items(), key=lambda item: (-item[1], item[0])) if n}
    if not any(character.isalnum() for character in text):
        return CleaningResult(None, dropped, reason=draft.unreadable or _why_empty(document, dropped))
    title = clean_title(
        document.title,
        author=document.author,
        platform=document.platform,
        # A post has no title: its first line is a first line.
        blocks=blocks if document.category != "posts" else (),
    )
    masked: Counter[str] = Counter()
    if mask:
        text = mask_personal_data(text, masked)
        title = title and mask_personal_data(title, masked)
    cleaned = CleanedDocument(
        document_id=document.document_id,
        author=document.author,
        category=document.category,
        platform=document.platform,
        url=document.url,
        title=title,
        text=text,
        language=language_of(blocks, document.language),
        published_at=document.published_at,
        content_hash=document.content_hash,
        duplicate_of=None,
        n_words=len(text.split()),
    )
    return CleaningResult(cleaned, dropped, dict(sorted(masked.items())))


def _why_empty(document: RawDocument, dropped: dict[str, int]) -> str:
    if not dropped:
        return f"Document {document.document_id} holds no text: check what the source '{document.source}' collected."
    largest = ", ".join(f"{reason} ({count} characters)" for reason, count in list(dropped.items())[:3])
    return f"Nothing of document {document.document_id} is the author's: all of it was dropped as {largest}."
