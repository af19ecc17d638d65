"""Which pages there are: read from page lists, sitemaps and feeds, as far as they can be read."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from twin_assets.collection.web import sitemaps
from twin_assets.collection.web.addresses import web_address
from twin_assets.collection.web.answers import Missing, NoPageError
from twin_assets.collection.web.feeds import Entry, parse_feed
from twin_assets.collection.web.fetcher import Fetcher

MAX_SITEMAPS = 500
MAX_FEED_PAGES = 200
"""Parts that are read of one sitemap index or one feed: a site whose links never end must."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """The pages that a source names."""

    pages: tuple[str, ...] = ()
    entries: dict[str, Entry] = field(default_factory=dict)
    """What a feed says of a page, by its address."""
    problems: dict[str, str] = field(default_factory=dict)
    """What could not be read, and why: addresses of sitemaps and feeds."""


Lister = Callable[[Fetcher], Awaitable[Listing]]


def joined(*listings: Listing) -> Listing:
    """Return several listings as one; each page is named once."""
    return Listing(
        pages=tuple(dict.fromkeys(page for listing in listings for page in listing.pages)),
        entries={url: entry for listing in reversed(listings) for url, entry in listing.entries.items()},
        problems={url: problem for listing in listings for url, problem in listing.problems.items()},
    )


def narrowed(listing: Listing, wanted: Callable[[str], bool]) -> Listing:
    """Return the pages of a listing that are wanted."""
    return Listing(
        pages=tuple(page for page in listing.pages if wanted(page)),
        entries={url: entry for url, entry in listing.entries.items() if wanted(url)},
        problems=listing.problems,
    )


def matches(url: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> bool:
    """Whether the path of a URL matches a pattern to include (all do if there is none), and none to exclude."""
    path = urlsplit(url).path
    return (not include or any(fnmatchcase(path, pattern) for pattern in include)) and not any(
        fnmatchcase(path, pattern) for pattern in exclude
    )


async def list_sitemap(fetcher: Fetcher, url: str, *, optional: bool = False) -> Listing:
    """Return the pages of a sitemap, and of those that it is an index of.

    Args:
        fetcher: Asks for it.
        url: Address of the sitemap.
        optional: Whether it is no problem if there is none.
    """
    pages: dict[str, None] = {}
    problems: dict[str, str] = {}
    waiting, seen = [url], {url}
    while waiting:
        address = waiting.pop(0)
        try:
            answer = await fetcher.fetch(address, at_most=sitemaps.MAX_BYTES)
            found = sitemaps.parse_sitemap(answer.body)
        except NoPageError as error:
            if not (optional and address == url and isinstance(error, Missing)):
                problems[address] = str(error)
            continue
        for page in found.pages:
            if place := web_address(page, answer.url):
                pages[place] = None
        for other in found.sitemaps:
            place = web_address(other, answer.url)
            if not place or place in seen:
                continue
            if len(seen) >= MAX_SITEMAPS:
                problems[url] = f"it names more than {MAX_SITEMAPS} sitemaps: the others were not read"
                break
            seen.add(place)
            waiting.append(place)
    _log.info("%s names %d pages", url, len(pages))
    return Listing(pages=tuple(pages), problems=problems)


async def list_feed(fetcher: Fetcher, url: str) -> Listing:
    """Return the pages of a feed, the newest first, and of its older parts, where it says where they are."""
    entries: dict[str, Entry] = {}
    problems: dict[str, str] = {}
    seen: list[str] = []
    address: str | None = url
    while address and address not in seen and len(seen) < MAX_FEED_PAGES:
        seen.append(address)
        try:
            feed = parse_feed(await fetcher.fetch(address))
        except NoPageError as error:
            problems[address] = str(error)
            break
        if feed.damage:
            problems[address] = f"it is damaged, so some of its pages may be missing: {feed.damage}"
        for entry in feed.entries:
            entries.setdefault(entry.url, entry)
        address = feed.older
    if address and address not in seen and url not in problems and len(seen) >= MAX_FEED_PAGES:
        problems[url] = f"it has more than {MAX_FEED_PAGES} parts: the older ones were not read"
    _log.info("%s names %d pages", url, len(entries))
    return Listing(pages=tuple(entries), entries=entries, problems=problems)
