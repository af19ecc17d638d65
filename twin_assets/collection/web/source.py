"""The sources of this package, as an author file names them: `web`, `sitemap`, `feed`, `medium`, `substack`.

They differ in how they find their pages; how these are collected is the same for all.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from twin_assets.collection.contract import SourceContext, WebLimits, options_of
from twin_assets.collection.links import Link
from twin_assets.collection.pages import PageStore
from twin_assets.collection.web.browser import BrowserReader
from twin_assets.collection.web.clock import Clock
from twin_assets.collection.web.crawl import Crawl, Task
from twin_assets.collection.web.fetcher import Fetcher
from twin_assets.collection.web.listings import (
    Lister,
    Listing,
    joined,
    list_feed,
    list_sitemap,
    matches,
    narrowed,
)
from twin_assets.collection.web.options import (
    FeedOptions,
    PublicationOptions,
    SitemapOptions,
    SiteOptions,
    WebOptions,
)
from twin_assets.collection.web.publications import (
    Publication,
    is_medium_story,
    is_substack_post,
    medium_publication,
    substack_publication,
)
from twin_assets.collection.web.reading import Reader
from twin_assets.collection.web.recipe import Recipe
from twin_assets.collection.web.static import StaticReader
from twin_assets.collection.web.transport import Transport
from twin_assets.documents import Author, SourceConfig
from twin_assets.errors import UserError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SiteSource:
    """Pages of a site."""

    name: str
    """What the source is called in messages, and under what its pages are remembered."""
    recipe: Recipe
    list_pages: Lister
    limits: WebLimits
    store: PageStore
    keeps_unlisted: Callable[[str], bool]
    """Whether a known page that is not listed any more still belongs to the source, as in a feed of the latest."""
    clock: Clock = field(default_factory=Clock)

    def fingerprint(self) -> None:
        """Return None: only collecting tells what a site holds."""

    def collect(self) -> Iterator[Link]:
        """Yield a link for every page that the source names, or named and nobody has said is gone.

        Raises:
            UserError: If the source names no page at all, and none is known from before.
        """
        author = self.recipe.author
        crawl = self.store.open_crawl(author, self.name)
        if crawl is None:
            crawl = self.store.begin_crawl(author, self.name)
        else:
            _log.info("%s: going on with the crawl that was interrupted", self.name)
        links = asyncio.run(self._links(Task(author, self.name, crawl)))
        self.store.end_crawl(author, self.name)
        yield from links

    async def _links(self, task: Task) -> list[Link]:
        async with Transport(self.limits, self.clock) as transport:
            fetcher = Fetcher(transport, self.limits, self.clock)
            listing = self._with_known(await self.list_pages(fetcher))
            async with self._reader(fetcher) as reader:
                crawl = Crawl(task, self.recipe, reader, self.store, self.clock)
                links = await crawl.links(listing.pages, listing.entries)
        return [
            *(Link(address=url, outcome="failed", reason=problem) for url, problem in listing.problems.items()),
            *links,
        ]

    def _with_known(self, listing: Listing) -> Listing:
        """Return a listing with the pages that are known and not listed any more, or not today."""
        known = self.store.pages(self.recipe.author, self.name)
        listing = joined(listing, Listing(pages=tuple(url for url in sorted(known) if self.keeps_unlisted(url))))
        if not listing.pages:
            why = "; ".join(f"{url}: {problem}" for url, problem in listing.problems.items())
            raise UserError(f"{self.recipe.author}: {self.name} names no page{f' ({why})' if why else ''}.")
        return listing

    @asynccontextmanager
    async def _reader(self, fetcher: Fetcher) -> AsyncIterator[Reader]:
        if not self.recipe.javascript:
            yield StaticReader(fetcher)
            return
        async with BrowserReader(fetcher, self.limits) as reader:
            yield reader


def web_source(author: Author, config: SourceConfig, context: SourceContext) -> SiteSource:
    """Return the source `web`: the pages that the author file lists."""
    options = options_of(author, config, WebOptions)

    async def list_pages(_: Fetcher) -> Listing:
        return Listing(pages=tuple(dict.fromkeys(options.pages)))

    return _source("web", author, config, options, context, list_pages, lambda _: False)


def sitemap_source(author: Author, config: SourceConfig, context: SourceContext) -> SiteSource:
    """Return the source `sitemap`: the pages that a site lists for search engines."""
    options = options_of(author, config, SitemapOptions)

    def wanted(url: str) -> bool:
        return matches(url, options.include, options.exclude)

    async def list_pages(fetcher: Fetcher) -> Listing:
        return narrowed(await list_sitemap(fetcher, options.url), wanted)

    return _source(f"sitemap {options.url}", author, config, options, context, list_pages, wanted)


def feed_source(author: Author, config: SourceConfig, context: SourceContext) -> SiteSource:
    """Return the source `feed`: the pages of an RSS or Atom feed."""
    options = options_of(author, config, FeedOptions)

    async def list_pages(fetcher: Fetcher) -> Listing:
        return await list_feed(fetcher, options.url)

    of_feed = options.content == "feed"
    return _source(f"feed {options.url}", author, config, options, context, list_pages, lambda _: True, of_feed=of_feed)


def medium_source(author: Author, config: SourceConfig, context: SourceContext) -> SiteSource:
    """Return the source `medium`: the stories of a writer or a publication on Medium."""
    return _publication_source("medium", author, config, context, medium_publication, is_medium_story)


def substack_source(author: Author, config: SourceConfig, context: SourceContext) -> SiteSource:
    """Return the source `substack`: the posts of a publication on Substack."""
    return _publication_source("substack", author, config, context, substack_publication, is_substack_post)


def _publication_source(
    platform: str,
    author: Author,
    config: SourceConfig,
    context: SourceContext,
    places: Callable[[str | None, str | None], Publication],
    is_writing: Callable[[str], bool],
) -> SiteSource:
    options = options_of(author, config, PublicationOptions)
    publication = places(options.handle, options.url)

    async def list_pages(fetcher: Fetcher) -> Listing:
        latest = await list_feed(fetcher, publication.feed)
        if publication.sitemap is None:
            return latest
        older = await list_sitemap(fetcher, publication.sitemap, optional=True)
        return joined(latest, narrowed(older, is_writing))

    name = f"{platform} {options.url or options.handle}"
    of_feed = options.content == "feed"
    return _source(
        name, author, config, options, context, list_pages, lambda _: True, of_feed=of_feed, platform=platform
    )


def _source(
    name: str,
    author: Author,
    config: SourceConfig,
    options: SiteOptions,
    context: SourceContext,
    list_pages: Lister,
    keeps_unlisted: Callable[[str], bool],
    *,
    of_feed: bool = False,
    platform: str | None = None,
) -> SiteSource:
    recipe = Recipe(
        author=author.slug,
        source=config.type,
        category=options.category,
        javascript=options.javascript,
        of_feed=of_feed,
        platform=platform,
    )
    return SiteSource(name, recipe, list_pages, context.web, context.pages, keeps_unlisted)
