"""Asking politely: robots.txt first, at the host's pace, through checked redirects, and again where that can help."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin, urlsplit

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential

from twin_assets.collection.contract import WebLimits
from twin_assets.collection.web.addresses import host_of
from twin_assets.collection.web.answers import (
    Answer,
    Failed,
    HostTrouble,
    Missing,
    Refused,
    Retryable,
    Validators,
)
from twin_assets.collection.web.clock import Clock
from twin_assets.collection.web.guard import check_address
from twin_assets.collection.web.hosts import Host
from twin_assets.collection.web.robots import Rules, rules_of
from twin_assets.collection.web.transport import Transport

MAX_REDIRECTS = 5
"""Redirects that are followed; RFC 9309, section 2.3.1.2 asks for as many for robots.txt."""

ATTEMPTS = 3
MAX_WAIT_SECONDS = 60.0
"""The longest wait that a server may ask for; if it wants more, the next crawl tries."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})
LOGIN_STATUSES = frozenset({401, 402, 403, 407, 451})
MISSING_STATUSES = frozenset({404, 410})

_LOGIN_PATH = re.compile(r"/(?:wp-login\.php|(?:log|sign)[-_]?(?:in|on)|users/sign_in|sso|oauth2?|auth)(?:/|$)", re.I)


class Fetcher:
    """Asks hosts for pages within one crawl."""

    def __init__(self, transport: Transport, limits: WebLimits, clock: Clock) -> None:
        self._transport = transport
        self._limits = limits
        self._clock = clock
        self._hosts: dict[str, Host] = {}
        self._rules: dict[str, asyncio.Task[Rules]] = {}

    async def fetch(
        self, url: str, validators: Validators | None = None, *, at_most: int | None = None, paced: bool = True
    ) -> Answer:
        """Return what an address holds, after redirects: status 200, or 304 if it has not changed.

        Args:
            url: Where to begin.
            validators: Of the last answer, to ask only for what has changed.
            at_most: Longest body that is read, unpacked; the limit of a page without it.
            paced: Whether the rate of the host counts; not for the parts of one page.

        Raises:
            Refused: If we may not look: robots.txt, a login, a private address.
            Missing: If there is no such page.
            Failed: If we could not look.
        """
        headers = (validators or Validators()).headers()
        answer = await self._follow(url, lambda hop: self._ask_as_allowed(hop, headers, at_most, paced=paced))
        if answer.url != url and is_login(answer.url) and not is_login(url):
            raise Refused("it needs a login")
        if answer.status in LOGIN_STATUSES:
            raise Refused(f"the server answers {answer.status}: the page is not public")
        if answer.status in MISSING_STATUSES:
            raise Missing(f"the server answers {answer.status}: there is no such page")
        if answer.status == 304 and validators is None:
            raise Failed("the server answers 304, although nothing was known")
        if answer.status not in (200, 304):
            raise Failed(f"the server answers {answer.status}")
        return answer

    async def rules(self, url: str) -> Rules:
        """Return the rules of the host that a URL names; its robots.txt is read once in a crawl.

        Raises:
            Refused: If the host may not be asked.
            Failed: If robots.txt cannot be had: then the host is not to be crawled (RFC 9309, section 2.3.1.4).
        """
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        if origin not in self._rules:
            self._rules[origin] = asyncio.ensure_future(self._read_rules(f"{origin}/robots.txt"))
        return await asyncio.shield(self._rules[origin])

    async def _read_rules(self, url: str) -> Rules:
        try:
            answer = await self._follow(url, lambda hop: self._ask(hop, {}, None))
        except Failed as error:
            raise HostTrouble(f"robots.txt cannot be read, so nothing may be asked now: {error}") from error
        if answer.status >= 500:
            raise HostTrouble(f"robots.txt answers {answer.status}, so nothing may be asked now")
        # 4xx means that there are no rules (RFC 9309, section 2.3.1.3).
        rules = rules_of(answer.body if answer.status == 200 else b"", self._limits.user_agent)
        self._host(url).slow_down(rules.delay)
        return rules

    async def _ask_as_allowed(self, url: str, headers: dict[str, str], at_most: int | None, *, paced: bool) -> Answer:
        # Before robots.txt is asked for: of a host that may not be asked, that may not be asked either.
        check_address(url, allow_private=self._limits.allow_private_hosts)
        if not (await self.rules(url)).allow(url):
            raise Refused("robots.txt forbids it")
        return await self._ask(url, headers, at_most, paced=paced)

    async def _follow(self, url: str, ask: Callable[[str], Awaitable[Answer]]) -> Answer:
        seen = [url]
        while True:
            answer = await ask(seen[-1])
            location = answer.headers.get("location")
            if answer.status not in REDIRECTS or not location:
                return answer
            try:
                following = urljoin(seen[-1], location)
            except ValueError as error:
                raise Failed("the server redirects to something that is no address") from error
            if following in seen:
                raise Failed("the server redirects in a circle")
            if len(seen) > MAX_REDIRECTS:
                raise Failed(f"the server redirects more than {MAX_REDIRECTS} times")
            seen.append(following)

    async def _ask(self, url: str, headers: dict[str, str], at_most: int | None, *, paced: bool = True) -> Answer:
        host = self._host(url)
        try:
            async for attempt in self._retrying(host):
                with attempt:
                    async with host.place(paced=paced):
                        answer = await self._transport.ask(url, headers, at_most=at_most)
        except HostTrouble as error:
            host.failed(str(error))
            raise
        if answer.status >= 500:
            host.failed(f"the server answers {answer.status}")
        else:
            host.succeeded()
        return answer

    def _retrying(self, host: Host) -> AsyncRetrying:
        async def rest(seconds: float) -> None:
            async with host.resting():
                await self._clock.sleep(seconds)

        return AsyncRetrying(
            retry=retry_if_exception(_may_succeed_next_time),
            stop=stop_after_attempt(ATTEMPTS),
            wait=_seconds_until_next,
            sleep=rest,
            reraise=True,
        )

    def _host(self, url: str) -> Host:
        name = urlsplit(url).netloc
        return self._hosts.setdefault(name, Host(host_of(url), self._limits))


def is_login(url: str) -> bool:
    """Whether an address is that of a login page, as sites name them."""
    return _LOGIN_PATH.search(urlsplit(url).path) is not None


def _may_succeed_next_time(error: BaseException) -> bool:
    return isinstance(error, Retryable) and (error.after or 0.0) <= MAX_WAIT_SECONDS


def _seconds_until_next(state: RetryCallState) -> float:
    """Return how long to wait: what the server asks for, else exponentially longer."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Retryable) and error.after is not None:
        return error.after
    return float(wait_exponential(multiplier=1.0, max=MAX_WAIT_SECONDS)(state))
