"""One crawl of one source: every page that it names becomes a link, and what is found is remembered at once."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from twin_assets.collection.links import Link, Outcome, repeated
from twin_assets.collection.pages import PageStore
from twin_assets.collection.web.answers import Failed, Missing, NoPageError, Refused, Validators
from twin_assets.collection.web.clock import Clock
from twin_assets.collection.web.feeds import Entry
from twin_assets.collection.web.reading import Reader
from twin_assets.collection.web.recipe import Recipe
from twin_assets.documents import KnownPage, RawDocument
from twin_assets.errors import UserError

TIMES_MISSING_BEFORE_GONE = 3
"""Crawls in a row that must be told 404 or 410 before a page counts as gone: a site may be broken for a day."""

PAGES_AT_A_TIME = 32
"""Pages in work at a time, over all hosts; what one host bears is less, and limited by itself."""

PROGRESS_EVERY = 25

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What a crawl is about."""

    author: str
    source: str
    """Name of the source among the author's, under which its pages are remembered."""
    crawl: str
    """Id of the crawl; a page that bears it has been looked at."""


class Crawl:
    """Looks at pages, one by one."""

    def __init__(self, task: Task, recipe: Recipe, reader: Reader, store: PageStore, clock: Clock) -> None:
        self._task = task
        self._recipe = recipe
        self._reader = reader
        self._store = store
        self._clock = clock
        self._known = store.pages(task.author, task.source)
        self._places = asyncio.Semaphore(PAGES_AT_A_TIME)

    async def links(self, urls: Iterable[str], entries: dict[str, Entry]) -> list[Link]:
        """Return what became of each page, in their order.

        Args:
            urls: Addresses of the pages.
            entries: What a feed says of a page, by its address.
        """
        pages = list(urls)
        done = Counter[Outcome]()

        async def look(url: str) -> Link:
            async with self._places:
                link = await self._link(url, entries.get(url))
            done[link.outcome] += 1
            if done.total() % PROGRESS_EVERY == 0:
                _log.info("%s: %d of %d pages", self._task.source, done.total(), len(pages))
            return link

        links = await asyncio.gather(*(look(url) for url in pages))
        gone = [link.address for link in links if link.outcome == "gone"]
        self._store.forget_pages(self._task.author, self._task.source, gone)
        return without_repetitions(links)

    async def _link(self, url: str, entry: Entry | None) -> Link:
        known = self._known.get(url) or KnownPage(url=url)
        # A page that was made by other options, before the crawl was interrupted, is not what is wanted now.
        if known.crawl == self._task.crawl and known.made_by in {self._recipe.version, self._recipe.version_of_feed}:
            return _link_of(known)
        try:
            return await self._look(known, entry)
        except NoPageError as error:
            return self._not_found(known, error)
        except UserError:
            raise
        except (ValueError, RecursionError) as error:
            # A page may hold anything: what nobody thought of must not end the crawl of all the others.
            _log.warning("%s cannot be read", url, exc_info=True)
            return self._not_found(known, Failed(f"it cannot be read ({type(error).__name__})"))

    async def _look(self, known: KnownPage, entry: Entry | None) -> Link:
        text = entry.content if entry else None
        if self._recipe.of_feed and entry and text:
            return self._found_in_feed(known, entry)
        if self._recipe.of_feed and known.document and known.made_by == self._recipe.version_of_feed:
            return await self._kept_of_feed(known, known.document)
        try:
            return await self._read(known, entry)
        except NoPageError:
            never_had = known.document is None or known.made_by == self._recipe.version_of_feed
            if not (entry and text and never_had):
                raise
        return self._found_in_feed(known, entry)

    async def _kept_of_feed(self, known: KnownPage, document: RawDocument) -> Link:
        """Keep the text of an entry that the feed shows no more; the page is asked only whether it is still there."""
        # A page that must be paid for may have its text in the feed alone: that is not to be gone.
        with suppress(Refused):
            await self._reader.read(known.url, Validators())
        return self._found(known, document, Validators(), self._recipe.version_of_feed)

    async def _read(self, known: KnownPage, entry: Entry | None) -> Link:
        version = self._recipe.version
        fresh = known.document is not None and known.made_by == version
        validators = Validators(known.etag, known.last_modified) if fresh else Validators()
        reading = await self._reader.read(known.url, validators)
        if reading.html is None:
            if known.document is None:
                raise Failed("the server says that nothing has changed, although nothing was known")
            return self._found(known, known.document, reading.validators, version)
        document = await asyncio.to_thread(self._recipe.document_of_page, reading.html, reading.url, entry)
        return self._found(known, document, reading.validators, version)

    def _found_in_feed(self, known: KnownPage, entry: Entry) -> Link:
        return self._found(known, self._recipe.document_of_entry(entry), Validators(), self._recipe.version_of_feed)

    def _not_found(self, known: KnownPage, error: NoPageError) -> Link:
        if isinstance(error, Missing):
            return self._missing(known, str(error))
        outcome: Outcome = "refused" if isinstance(error, Refused) else "failed"
        return Link(address=known.url, outcome=outcome, reason=str(error), document=known.document)

    def _found(self, known: KnownPage, document: RawDocument, validators: Validators, version: str) -> Link:
        page = KnownPage(
            url=known.url,
            etag=validators.etag,
            last_modified=validators.last_modified,
            fetched_at=self._clock.now(),
            crawl=self._task.crawl,
            made_by=version,
            document=document,
        )
        self._store.remember_page(self._task.author, self._task.source, page)
        return _link_of(page)

    def _missing(self, known: KnownPage, reason: str) -> Link:
        if known.document is None:
            return Link(address=known.url, outcome="failed", reason=reason)
        # A crawl that goes on after a break counts once.
        times = known.times_missing + (known.crawl != self._task.crawl)
        page = known.model_copy(update={"times_missing": times, "crawl": self._task.crawl})
        self._store.remember_page(self._task.author, self._task.source, page)
        return _link_of(page)


def without_repetitions(links: Iterable[Link]) -> list[Link]:
    """Return links of which no two bring the same document: the first that was found has it, else the first.

    The others say so, and bring none.
    """
    links = list(links)
    holders: dict[str, Link] = {}
    for link in sorted(links, key=lambda link: link.outcome != "found"):
        if link.document:
            holders.setdefault(link.document.document_id, link)
    return [
        repeated(link, holder.address)
        if link.document and (holder := holders[link.document.document_id]) is not link
        else link
        for link in links
    ]


def _link_of(page: KnownPage) -> Link:
    if not page.times_missing:
        return Link(address=page.url, document=page.document)
    if page.times_missing >= TIMES_MISSING_BEFORE_GONE:
        return Link(address=page.url, outcome="gone", document=page.document)
    return Link(
        address=page.url,
        outcome="failed",
        reason="there is no such page any more; it counts as gone if it is missing in "
        f"{TIMES_MISSING_BEFORE_GONE} collections in a row (now: {page.times_missing})",
        document=page.document,
    )
