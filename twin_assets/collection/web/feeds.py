"""Feeds: the latest pages of a site as RSS or Atom lists them, often with their text."""

from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime
from time import struct_time
from typing import Any

from bs4 import BeautifulSoup

from twin_assets.collection.characters import whole_characters
from twin_assets.collection.web.addresses import web_address
from twin_assets.collection.web.answers import Answer, Failed
from twin_assets.collection.web.metadata import language_of

NEXT = ("next", "prev-archive")
"""Links from a feed to the part of it that is older (RFC 5005, sections 3 and 4)."""


@dataclass(frozen=True)
class Entry:
    """One page that a feed lists."""

    url: str
    title: str | None
    published_at: datetime | None
    updated_at: datetime | None
    language: str | None
    content: str | None
    """The whole text as HTML, where the feed holds it; a summary is none."""


@dataclass(frozen=True)
class Feed:
    """What one document of a feed lists."""

    entries: tuple[Entry, ...]
    older: str | None
    """Where the feed goes on."""
    damage: str | None
    """What is wrong with it, if it could be read all the same."""


def parse_feed(answer: Answer) -> Feed:
    """Return what a feed lists.

    Raises:
        Failed: If it is no feed, or so broken that nothing can be read.
    """
    import feedparser  # type: ignore[import-untyped]

    # The parser knows about XML's and HTTP's rules for encodings, if it is given the header.
    parsed = feedparser.parse(
        answer.body,
        response_headers={"content-type": answer.headers.get("content-type", ""), "content-location": answer.url},
        sanitize_html=False,
        resolve_relative_uris=True,
    )
    damage = str(parsed.get("bozo_exception", "")) or None if parsed.bozo else None
    if not parsed.entries and (damage or not parsed.get("version")):
        raise Failed(f"it is no valid RSS or Atom feed ({damage or 'neither of the two'})")
    language = language_of(parsed.feed.get("language"))
    entries = [_entry(entry, answer.url, language) for entry in parsed.entries]
    return Feed(
        entries=tuple(entry for entry in entries if entry),
        older=_older(parsed.feed, answer.url),
        damage=damage if damage and "declared as" not in damage else None,
    )


def _entry(entry: Any, base: str, language: str | None) -> Entry | None:
    # An id may be an address, too, but never one that needs a base.
    url = web_address(entry["link"], base) if entry.get("link") else web_address(entry.get("id", ""), "")
    if url is None:
        return None
    whole = [
        content["value"]
        for content in entry.get("content", [])
        if content.get("type") in {"text/html", "application/xhtml+xml"} and _has_words(content.get("value", ""))
    ]
    return Entry(
        url=url,
        title=" ".join(whole_characters(entry.get("title", "")).split()) or None,
        published_at=_time(entry.get("published_parsed")),
        updated_at=_time(entry.get("updated_parsed")),
        language=language,
        content=whole_characters(max(whole, key=len, default="")) or None,
    )


def _older(feed: Any, base: str) -> str | None:
    for relation in NEXT:
        for link in feed.get("links", []):
            if link.get("rel") == relation and link.get("href"):
                return web_address(link["href"], base)
    return None


def _has_words(html: str) -> bool:
    return any(character.isalnum() for character in BeautifulSoup(html, "html.parser").get_text())


def _time(parsed: struct_time | None) -> datetime | None:
    return datetime.fromtimestamp(timegm(parsed), UTC) if parsed else None
