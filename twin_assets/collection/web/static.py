"""Pages as the server sends them: crawl4ai's HTTP strategy, asking through the polite fetcher.

crawl4ai's own client reads without limit, follows redirects unchecked and takes 304 for an error; so the one method
that asks is replaced.
"""

from typing import Any

from twin_assets.collection.web.answers import Validators
from twin_assets.collection.web.crawl4ai_files import keep_crawl4ai_out_of_home
from twin_assets.collection.web.decoding import text_of
from twin_assets.collection.web.fetcher import Fetcher
from twin_assets.collection.web.reading import Reading, check_type, validators_of


class StaticReader:
    """Reads pages that need no JavaScript."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._strategy = _polite_strategy(fetcher)

    async def read(self, url: str, validators: Validators) -> Reading:
        """Return the page at `url`; see `reading.Reader`."""
        response = await self._strategy(validators).crawl(url, config=self._strategy.config)
        unchanged = response.status_code == 304
        known = validators_of(response.response_headers)
        return Reading(
            url=response.redirected_url,
            html=None if unchanged else response.html,
            # A 304 need not repeat them.
            validators=Validators(known.etag or validators.etag, known.last_modified or validators.last_modified)
            if unchanged
            else known,
        )


def _polite_strategy(fetcher: Fetcher) -> Any:
    keep_crawl4ai_out_of_home()
    from crawl4ai.async_configs import CrawlerRunConfig  # type: ignore[import-untyped]
    from crawl4ai.async_crawler_strategy import AsyncHTTPCrawlerStrategy  # type: ignore[import-untyped]
    from crawl4ai.models import AsyncCrawlResponse  # type: ignore[import-untyped]

    class PoliteHTTPCrawlerStrategy(AsyncHTTPCrawlerStrategy):  # type: ignore[misc]
        """crawl4ai's HTTP strategy for one page, over a fetcher that is shared."""

        # Made once, because crawl4ai takes longer to make one than to read a page.
        config = CrawlerRunConfig()

        def __init__(self, validators: Validators) -> None:
            super().__init__()
            self._validators = validators

        async def _handle_http(self, url: str, config: CrawlerRunConfig) -> AsyncCrawlResponse:
            answer = await fetcher.fetch(url, self._validators)
            check_type(answer)
            return AsyncCrawlResponse(
                html=text_of(answer),
                response_headers=answer.headers,
                status_code=answer.status,
                redirected_url=answer.url,
            )

    return PoliteHTTPCrawlerStrategy
