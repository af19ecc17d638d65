"""Pages as a browser shows them: crawl4ai's browser strategy with the system's Chromium.

The browser has no network of its own. Whatever it asks for is fetched by the polite fetcher, with its limits and its
guard, and handed to it; anything else ends at a proxy that is not there. It only reads: it gets what is needed to show
words (documents, scripts, data), and sends nothing.
"""

import asyncio
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from twin_assets.collection.contract import WebLimits
from twin_assets.collection.web.answers import Answer, Failed, NoPageError, Validators
from twin_assets.collection.web.crawl4ai_files import keep_crawl4ai_out_of_home
from twin_assets.collection.web.fetcher import Fetcher
from twin_assets.collection.web.reading import Reading, check_type
from twin_assets.errors import UserError

NO_NETWORK = (
    # Nobody listens at port 1 of this machine, and <-loopback> sends requests to this machine there, too.
    "--proxy-server=http://127.0.0.1:1",
    "--proxy-bypass-list=<-loopback>",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-background-networking",
)

WANTED = frozenset({"script", "xhr", "fetch"})
"""What of a page is fetched beside the document: what words may come from."""

OWN_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection", "set-cookie"})
"""Headers that belong to the transfer, which is over."""


class BrowserReader:
    """Reads pages that need JavaScript; used as a context manager."""

    def __init__(self, fetcher: Fetcher, limits: WebLimits) -> None:
        self._fetcher = fetcher
        self._limits = limits
        self._documents: dict[str, Answer] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._strategy: Any = None

    async def __aenter__(self) -> Self:
        """Start the browser.

        Raises:
            UserError: If there is none.
        """
        if not Path(self._limits.chromium).is_file():
            raise UserError(
                f"There is no browser at {self._limits.chromium}, which pages with `javascript: true` need: install "
                "chromium, or set TWIN_CHROMIUM."
            )
        self._strategy = _chromium_strategy(self._limits)
        self._strategy.set_hook("on_page_context_created", self._take_over_network)
        await self._strategy.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the browser."""
        await self._strategy.close()

    async def read(self, url: str, validators: Validators) -> Reading:
        """Return the page at `url`; see `reading.Reader`.

        It is always read anew: that the document has not changed says nothing of what its scripts fetch.
        """
        answer = await self._fetcher.fetch(url)
        check_type(answer)
        # Two addresses may lead to one page, which is then shown twice, one after the other.
        async with self._turns[answer.url]:
            self._documents[answer.url] = answer
            try:
                html = await self._shown(answer.url)
            finally:
                del self._documents[answer.url]
        if len(html.encode()) > self._limits.max_page_bytes:
            raise Failed(f"the page is longer than {self._limits.max_page_bytes:,} bytes (TWIN_CRAWL_MAX_PAGE_BYTES)")
        return Reading(url=answer.url, html=html, validators=Validators())

    async def _shown(self, url: str) -> str:
        from crawl4ai.async_configs import CacheMode, CrawlerRunConfig  # type: ignore[import-untyped]
        from playwright.async_api import Error

        config = CrawlerRunConfig(
            cache_mode=CacheMode.BYPASS,
            wait_until="networkidle",
            page_timeout=int(self._limits.timeout_seconds * 1000),
            verbose=False,
        )
        try:
            response = await self._strategy.crawl(url, config=config)
        except (Error, RuntimeError) as error:
            first = str(error).strip().splitlines()[0]
            raise Failed(f"the browser could not show it ({first[:200]})") from error
        return str(response.html)

    async def _take_over_network(self, page: Any, context: Any, **_: Any) -> Any:
        await page.route("**/*", self._answer)
        await page.route_web_socket("**/*", lambda socket: socket.close())
        return page

    async def _answer(self, route: Any) -> None:
        request = route.request
        try:
            answer = await self._fetched(request)
        except NoPageError:
            answer = None
        if answer is None:
            await route.abort("blockedbyclient")
            return
        headers = {name: value for name, value in answer.headers.items() if name not in OWN_HEADERS}
        await route.fulfill(status=answer.status, headers=headers, body=answer.body)

    async def _fetched(self, request: Any) -> Answer | None:
        if request.method != "GET":
            return None
        if request.is_navigation_request():
            return self._documents.get(request.url)
        if request.resource_type not in WANTED:
            return None
        return await self._fetcher.fetch(request.url, paced=False)


def _chromium_strategy(limits: WebLimits) -> Any:
    keep_crawl4ai_out_of_home()
    from crawl4ai.async_configs import BrowserConfig
    from crawl4ai.async_crawler_strategy import AsyncPlaywrightCrawlerStrategy  # type: ignore[import-untyped]
    from crawl4ai.async_logger import AsyncLogger  # type: ignore[import-untyped]
    from crawl4ai.browser_manager import BrowserManager  # type: ignore[import-untyped]

    class SystemChromium(BrowserManager):  # type: ignore[misc]
        """crawl4ai's browser, which is the one of the system; crawl4ai has no option for it."""

        def _build_browser_args(self) -> dict[str, Any]:
            return {**super()._build_browser_args(), "executable_path": limits.chromium}

    config = BrowserConfig(
        headless=True,
        verbose=False,
        user_agent=limits.user_agent,
        ignore_https_errors=False,
        extra_args=list(NO_NETWORK),
    )
    logger = AsyncLogger(log_file=None, verbose=False)
    strategy = AsyncPlaywrightCrawlerStrategy(browser_config=config, logger=logger)
    strategy.browser_manager = SystemChromium(browser_config=config, logger=logger)
    return strategy
