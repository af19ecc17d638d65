"""How one host is spared: so many requests per second, so many at a time, and none after it has failed too often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiolimiter import AsyncLimiter

from twin_assets.collection.contract import WebLimits
from twin_assets.collection.web.answers import Failed

FAILURES_BEFORE_BREAK = 5
"""Failures in a row after which a host is left alone for the rest of the crawl (a circuit breaker, as in Nygard,
"Release It!", chapter 5): each costs three timeouts."""


class Host:
    """One host in one crawl."""

    def __init__(self, name: str, limits: WebLimits) -> None:
        self._name = name
        self._places = asyncio.Semaphore(limits.connections_per_host)
        self._seconds = 1.0 / limits.requests_per_second
        self._pace = AsyncLimiter(1, self._seconds)
        self._awake = asyncio.Event()
        self._awake.set()
        self._resting = 0
        self._failures = 0
        self._last_reason = ""

    def slow_down(self, seconds: float) -> None:
        """Let at least so many seconds lie between two requests."""
        if seconds > self._seconds:
            self._seconds = seconds
            self._pace = AsyncLimiter(1, seconds)

    @asynccontextmanager
    async def place(self, *, paced: bool = True) -> AsyncIterator[None]:
        """Wait until the host may be asked.

        Args:
            paced: Whether the rate counts, too; not for the parts of one page, which come together.

        Raises:
            Failed: If it has failed too often.
        """
        async with self._places:
            await self._awake.wait()
            self._check()
            if paced:
                await self._pace.acquire()
            yield

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """Ask the host for nothing at all within the block: it said that it has too much to do, or did not answer."""
        self._resting += 1
        self._awake.clear()
        try:
            yield
        finally:
            self._resting -= 1
            if not self._resting:
                self._awake.set()

    def succeeded(self) -> None:
        """Note that the host answered."""
        self._failures = 0

    def failed(self, reason: str) -> None:
        """Note that the host did not answer as it should."""
        self._failures += 1
        self._last_reason = reason

    def _check(self) -> None:
        if self._failures >= FAILURES_BEFORE_BREAK:
            raise Failed(
                f"not asked, because {self._name} failed {self._failures} times in a row, the last time since "
                f"{self._last_reason}"
            )
