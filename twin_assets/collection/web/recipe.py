"""How a source makes documents of pages and of feed entries."""

from dataclasses import dataclass

from twin_assets.collection.web.addresses import platform_of
from twin_assets.collection.web.answers import Failed
from twin_assets.collection.web.extraction import EXTRACTION_VERSION, markdown_of, page_of
from twin_assets.collection.web.feeds import Entry
from twin_assets.documents import Category, RawDocument, content_hash, document_id_for


@dataclass(frozen=True)
class Recipe:
    """What decides how a page becomes a document."""

    author: str
    source: str
    """Kind of source, as in the author file."""
    category: Category
    javascript: bool = False
    of_feed: bool = False
    """Whether the text in a feed is preferred to the page."""
    platform: str | None = None
    """The platform, if the host does not tell."""

    @property
    def version(self) -> str:
        """A hash of the recipe: of a page that was made by another one, it does not matter that it is unchanged."""
        return content_hash([EXTRACTION_VERSION, self.source, self.category, self.javascript, self.platform])

    @property
    def version_of_feed(self) -> str:
        """The same, of a document made of an entry in a feed."""
        return content_hash([self.version, "feed"])

    def document_of_page(self, html: str, url: str, entry: Entry | None) -> RawDocument:
        """Return the document on a page; what the page does not say is taken from the feed.

        Raises:
            Refused: If the page is not for everybody.
            Failed: If there is no writing on it.
        """
        page = page_of(html, url, self.platform)
        said = page.metadata
        return RawDocument(
            document_id=document_id_for(said.url),
            author=self.author,
            category=self.category,
            platform=page.platform,
            url=said.url,
            title=said.title or (entry.title if entry else None),
            subtitle=said.subtitle,
            published_at=said.published_at or (entry.published_at if entry else None),
            updated_at=said.updated_at,
            language=said.language,
            media_type="text/markdown",
            text=page.markdown,
            source=self.source,
        )

    def document_of_entry(self, entry: Entry) -> RawDocument:
        """Return the document that a feed holds of a page.

        Raises:
            Failed: If it holds none.
        """
        if not entry.content:
            raise Failed("the feed does not hold its text")
        return RawDocument(
            document_id=document_id_for(entry.url),
            author=self.author,
            category=self.category,
            platform=self.platform or platform_of(entry.url),
            url=entry.url,
            title=entry.title,
            published_at=entry.published_at,
            updated_at=entry.updated_at,
            language=entry.language,
            media_type="text/markdown",
            text=markdown_of(entry.content),
            source=self.source,
        )
