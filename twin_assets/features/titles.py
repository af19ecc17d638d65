"""Titles: what a page's title says besides the title."""

import re
from collections.abc import Sequence

from twin_assets.features.blocks import Block
from twin_assets.features.inline import shown

TITLE_WORDS = 12
"""A first line of at most so many words, without a full stop, may be the title of a text without headings."""

_SEPARATOR = re.compile(r"\s+[-\u2013\u2014|·•»]\s+")
_SITES = frozenset(
    {"substack", "medium", "towards data science", "dev community", "hashnode", "github", "linkedin", "blog", "home"}
)


def clean_title(title: str | None, *, author: str, platform: str, blocks: Sequence[Block] = ()) -> str | None:
    """Return a title without what sites put in front of it or behind it.

    "Ada Byron - Notes", "Notes - by Ada Byron", "Notes | Substack" and "Notes - The Engine" (on engine.example.com) all
    give "Notes". Parts are dropped from the ends only, and never the last one left.

    Args:
        title: The title as collected. If it is empty, the first heading of `blocks` is the title, or else a first line
            that stands alone, as in plain text.
        author: Slug of the author.
        platform: Where the document was published; the site's name is often the name of its host.
        blocks: The document's cleaned blocks.
    """
    words = " ".join((title or "").split())
    if not words:
        return _first_heading(blocks)
    parts = _SEPARATOR.split(words)
    separators = _SEPARATOR.findall(words)
    while len(parts) > 1 and _is_site(parts[-1], author, platform):
        parts.pop()
        separators.pop()
    while len(parts) > 1 and _is_site(parts[0], author, platform):
        parts.pop(0)
        separators.pop(0)
    return parts[0] + "".join(separator + part for separator, part in zip(separators, parts[1:], strict=True))


def _is_site(part: str, author: str, platform: str) -> bool:
    key = part.casefold().strip()
    squashed = re.sub(r"[^a-z0-9]+", "", key)
    host = re.sub(r"[^a-z0-9]+", "", platform.casefold().split(".")[0])
    return (
        key in _SITES
        or key.removeprefix("by ") != key
        or squashed == author.replace("-", "")
        or (len(host) >= 6 and squashed.removeprefix("the").startswith(host))
        or squashed in (host, re.sub(r"[^a-z0-9]+", "", platform.casefold()))
    )


def _first_heading(blocks: Sequence[Block]) -> str | None:
    for block in blocks:
        if block.kind == "heading" and shown(block.text):
            return shown(block.text)
    first = blocks[0] if len(blocks) > 1 else None
    if first is None or first.kind != "paragraph" or "\n" in first.text:
        return None
    words = shown(first.text)
    return words if len(words.split()) <= TITLE_WORDS and words[-1:].isalnum() else None
