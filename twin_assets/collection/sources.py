"""The registry of sources: the kinds of places that writings come from.

A new source is one module with a class that fits `contract.Source`, and one entry in `SOURCES`.
"""

from collections.abc import Callable, Iterable

from twin_assets.collection.archives.source import FORMATS, ArchiveSource
from twin_assets.collection.contract import Source, SourceContext
from twin_assets.collection.folder import FolderSource
from twin_assets.collection.imported import ImportedSource
from twin_assets.collection.links import Link, documents_of, repeated, with_unread
from twin_assets.collection.repositories.source import RepositoriesSource
from twin_assets.collection.web.source import (
    SiteSource,
    feed_source,
    medium_source,
    sitemap_source,
    substack_source,
    web_source,
)
from twin_assets.documents import Author, RawDocument, SourceConfig, content_hash
from twin_assets.errors import UserError

SITES: dict[str, Callable[[Author, SourceConfig, SourceContext], Source]] = {
    "feed": feed_source,
    "medium": medium_source,
    "sitemap": sitemap_source,
    "substack": substack_source,
    "web": web_source,
}
"""The sources whose pages may name one another: a feed and a sitemap of one site, a story and where it stood first."""

SOURCES: dict[str, Callable[[Author, SourceConfig, SourceContext], Source]] = {
    "folder": FolderSource.from_config,
    "github": RepositoriesSource.from_config,
    "import": ImportedSource.from_config,
    "linkedin": ArchiveSource.from_config,
    "mastodon": ArchiveSource.from_config,
    "medium-export": ArchiveSource.from_config,
    "substack-export": ArchiveSource.from_config,
    "x": ArchiveSource.from_config,
    **SITES,
}


def sources_of(author: Author, context: SourceContext) -> list[Source]:
    """Return the sources that an author file names.

    Raises:
        UserError: If a kind of source is unknown or misconfigured.
    """
    sources = []
    for config in author.sources:
        if config.type not in SOURCES:
            raise UserError(
                f"{author.slug}: there is no source of type {config.type!r}; known are: {', '.join(sorted(SOURCES))}."
            )
        sources.append(SOURCES[config.type](author, config, context))
    return sources


def fingerprint_of(author: Author, context: SourceContext) -> str:
    """Return a hash of everything that can be known of the author's sources without collecting them."""
    return content_hash([source.fingerprint() for source in sources_of(author, context)])


def must_be_collected(author: Author, context: SourceContext) -> bool:
    """Return whether only collecting can tell what the author's sources hold now."""
    return any(source.fingerprint() is None for source in sources_of(author, context))


def collect_links(author: Author, context: SourceContext) -> list[Link]:
    """Read all sources of an author.

    A page of a site that another source brings too is brought once, and the other link says so: the first that was
    found has it, because a page that cannot be looked at brings what is known from before.

    Raises:
        UserError: If a source cannot be read, or two sources bring a document of the same id.
    """
    links = _all_links(author, context)
    holders: dict[str, Link] = {}
    for link in sorted(links, key=lambda link: link.outcome != "found"):
        if link.document and link.outcome != "gone":
            holders.setdefault(link.document.document_id, link)
    return [
        _repeated(author, link, link.document, holder)
        if link.document and link.outcome != "gone" and (holder := holders[link.document.document_id]) is not link
        else link
        for link in links
    ]


def forget_unnamed(author: Author, context: SourceContext, links: Iterable[Link]) -> None:
    """Forget the pages that no source names any more: what an author takes back must not be kept.

    Args:
        author: The author.
        context: What the sources were given.
        links: What a collection that came to its end has yielded.
    """
    named = {link.address for link in links}
    sites = {source.name for source in sources_of(author, context) if isinstance(source, SiteSource)}
    kinds = {config.type for config in author.sources}
    for name in context.pages.sources_of_pages(author.slug):
        if name in kinds - sites:
            # Repositories are known by more addresses than they are named by; their source forgets them itself.
            continue
        pages = context.pages.pages(author.slug, name)
        unnamed = [url for url in pages if name not in sites or url not in named]
        context.pages.forget_pages(author.slug, name, unnamed)


def _all_links(author: Author, context: SourceContext) -> list[Link]:
    """Return what the sources yield, those of one kind together: two archives of a kind share what is known of it."""
    by_kind: dict[str, list[Link]] = {}
    for config, source in zip(author.sources, sources_of(author, context), strict=True):
        by_kind.setdefault(config.type, []).extend(source.collect())
    for kind in by_kind.keys() & FORMATS.keys():
        by_kind[kind] = with_unread(by_kind[kind], context.collected_documents(author.slug, kind))
    return [link for links in by_kind.values() for link in links]


def _repeated(author: Author, link: Link, document: RawDocument, holder: Link) -> Link:
    if document.source in SITES:
        return repeated(link, holder.address)
    title = holder.document.title if holder.document else None
    raise UserError(
        f"{author.slug}: two documents have the same address or id {document.url or document.document_id!r}: "
        f"{title!r} and {document.title!r}; remove one of them, or give it a url of its own."
    )


def collect_documents(author: Author, context: SourceContext) -> list[RawDocument]:
    """Read all sources of an author, and return the documents alone.

    Raises:
        UserError: As `collect_links`.
    """
    return documents_of(collect_links(author, context))
