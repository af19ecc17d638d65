"""What a page says about itself: title, dates, language, canonical address.

Read from the tags that sites set for search engines: Open Graph, schema.org (JSON-LD), and HTML's own.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from bs4 import BeautifulSoup

from twin_assets.collection.characters import whole_characters
from twin_assets.collection.web.addresses import normalised, web_address

_ARTICLES = frozenset({"Article", "BlogPosting", "NewsArticle", "TechArticle", "SocialMediaPosting", "Report"})
"""Types of schema.org that are a page's writing, and not its publisher or its menu."""


@dataclass(frozen=True)
class Metadata:
    """What a page says about itself."""

    url: str
    """Canonical address."""
    title: str | None = None
    subtitle: str | None = None
    published_at: datetime | None = None
    updated_at: datetime | None = None
    language: str | None = None
    paywalled: bool = False
    """Whether the page says that only a part of it may be read without paying."""


def metadata_of(soup: BeautifulSoup, url: str) -> Metadata:
    """Return what a page at `url` says about itself."""
    article = _article(soup)
    return Metadata(
        url=_canonical(soup, url),
        title=_meta(soup, "og:title", "twitter:title") or _text(article.get("headline")) or _title(soup),
        subtitle=_text(article.get("alternativeHeadline")) or _meta(soup, "og:description", "description"),
        published_at=time_of(
            _meta(soup, "article:published_time", "datePublished", "date", "dc.date")
            or _text(article.get("datePublished"))
            or _property(soup, "datePublished")
            or _only_time(soup)
        ),
        updated_at=time_of(
            _meta(soup, "article:modified_time", "og:updated_time", "dateModified")
            or _text(article.get("dateModified"))
            or _property(soup, "dateModified")
        ),
        language=language_of(
            (str(soup.html["lang"]) if soup.html and soup.html.get("lang") else None)
            or _meta(soup, "og:locale", "content-language")
            or _text(article.get("inLanguage"))
        ),
        paywalled=str(article.get("isAccessibleForFree", "true")).lower() == "false",
    )


def time_of(written: str | None) -> datetime | None:
    """Return a time in UTC, written as ISO 8601 or RFC 5322 has it; None if it is none. Without a zone it is UTC."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            time = parse((written or "").strip())
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            continue
    return None


def language_of(tag: str | None) -> str | None:
    """Return the language (ISO 639-1) of a tag such as `en-GB` or `de_AT`; None if it names none."""
    language = (tag or "").strip().replace("_", "-").partition("-")[0].lower()
    return language if len(language) == 2 and language.isalpha() and language.isascii() else None


def _canonical(soup: BeautifulSoup, url: str) -> str:
    named = soup.find("link", attrs={"rel": "canonical"})
    written = str(named.get("href") or "") if named else _meta(soup, "og:url") or ""
    canonical = web_address(written, url) if written else None
    # A template that names the front page on every page is a mistake: it would make one document of all.
    is_front_page = canonical is not None and urlsplit(canonical).path == "/" and not urlsplit(canonical).query
    return normalised(url) if canonical is None or is_front_page else canonical


def _meta(soup: BeautifulSoup, *names: str) -> str | None:
    for name in names:
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            for tag in soup.find_all("meta", attrs={attribute: name}):
                if text := _text(tag.get("content")):
                    return text
    return None


def _property(soup: BeautifulSoup, name: str) -> str | None:
    tag = soup.select_one(f"[itemprop={name}]")
    return _text(tag.get("datetime") or tag.get("content") or tag.get_text()) if tag else None


def _only_time(soup: BeautifulSoup) -> str | None:
    """Return the date of the page's first `time`: that of an article, whose first is its own by custom."""
    within = soup.find("article") or soup.find("main") or soup
    tag = within.find("time", attrs={"datetime": True})
    return _text(tag["datetime"]) if tag else None


def _title(soup: BeautifulSoup) -> str | None:
    return _text(soup.title.get_text()) if soup.title else _text(soup.h1.get_text() if soup.h1 else None)


def _text(value: object) -> str | None:
    return (" ".join(whole_characters(value).split()) or None) if isinstance(value, str) else None


def _article(soup: BeautifulSoup) -> dict[str, Any]:
    """Return the page's own entry among its JSON-LD."""
    for tag in soup.find_all("script", attrs={"type": "application/ld+json"}):
        try:
            entries = list(_entries(json.loads(tag.get_text())))
        except (ValueError, RecursionError):
            # It is for search engines, and often broken: the page is none the worse.
            continue
        for entry in entries:
            types = entry.get("@type")
            if _ARTICLES & {str(kind) for kind in (types if isinstance(types, list) else [types])}:
                return entry
    return {}


def _entries(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, list):
        for item in content:
            yield from _entries(item)
    elif isinstance(content, dict):
        yield content
        yield from _entries(content.get("@graph") or [])
