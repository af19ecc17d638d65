"""What is remembered of a page between two crawls: when it was fetched, and what it was.

With it a later crawl asks whether the page has changed instead of fetching it, an interrupted crawl goes on where it
stopped, and a page that cannot be reached today is not lost.
"""

from typing import Protocol

from twin_assets.documents import KnownPage


class PageStore(Protocol):
    """Where pages are remembered; `source` is a name of the source that does not change between crawls."""

    def pages(self, author: str, source: str) -> dict[str, KnownPage]:
        """Return the known pages of a source, by URL."""
        ...

    def sources_of_pages(self, author: str) -> list[str]:
        """Return the names of the sources that pages of an author are remembered of."""
        ...

    def remember_page(self, author: str, source: str, page: KnownPage) -> None:
        """Keep a page; from then on it is known, even if the crawl is interrupted."""
        ...

    def forget_pages(self, author: str, source: str, urls: list[str]) -> None:
        """Forget pages that are gone."""
        ...

    def open_crawl(self, author: str, source: str) -> str | None:
        """Return the id of the crawl that was begun and not ended; None if it began too long ago, or ended."""
        ...

    def begin_crawl(self, author: str, source: str) -> str:
        """Note that a crawl has begun, and return its id."""
        ...

    def end_crawl(self, author: str, source: str) -> None:
        """Note that the crawl came to its end."""
        ...
