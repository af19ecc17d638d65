"""A site on loopback, whose pages the tests put there, change and take away, and a warehouse to remember them in."""

import asyncio
import hashlib
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from resources.warehouse import Warehouse
from resources.web import Web
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.sources import SOURCES
from twin_assets.collection.web.clock import Clock
from twin_assets.documents import Author, Consent, SourceConfig

Handler = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]

WORDS = "The author wrote this paragraph herself, and it says something that no other page says."


def page(title: str, body: str = "", *, head: str = "") -> str:
    return (
        f'<!doctype html><html lang="en-GB"><head><title>{title} | Site</title><meta property="og:title" '
        f'content="{title}">{head}</head><body><nav><a href="/">Home</a></nav><article><h1>{title}</h1>'
        f"<p>{WORDS} {title}.</p>{body}</article><footer>© 2024 Site</footer></body></html>"
    )


@dataclass
class Site:
    """What the server serves, and what it was asked."""

    address: str = ""
    contents: dict[str, str | bytes | Handler] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Path and status of every request."""

    def url(self, path: str) -> str:
        return f"{self.address}{path}"

    def put(self, path: str, content: str | bytes | Handler, media_type: str = "text/html") -> str:
        self.contents[path] = content
        self.types[path] = media_type
        return self.url(path)

    def remove(self, path: str) -> None:
        del self.contents[path]

    def statuses(self, path: str) -> list[int]:
        return [status for asked, status in self.asked if asked == path]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = await self._response(request)
        self.asked.append((request.path, response.status))
        return response

    async def _response(self, request: web.Request) -> web.StreamResponse:
        content = self.contents.get(request.path)
        if content is None:
            return web.Response(status=404)
        if callable(content):
            response = content(request)
            return await response if inspect.isawaitable(response) else response
        body = content if isinstance(content, bytes) else content.encode()
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        return web.Response(body=body, headers={"Content-Type": self.types[request.path], "ETag": etag})


class Server:
    """An aiohttp server in a thread of its own."""

    def __init__(self, handler: Handler, tls=None) -> None:
        self._handler = handler
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._port: Future[int] = Future()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port.result(timeout=10)}"

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._start())
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _start(self) -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(self._handler), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self._port.set_result(runner.addresses[0][1])
        return runner


@pytest.fixture
def site():
    served = Site()
    with Server(served.answer) as address:
        served.address = address
        yield served


@pytest.fixture
def limits():
    return Web(
        user_agent="twin_assets/test",
        allow_private_hosts=True,
        requests_per_second=10_000,
        connections_per_host=4,
        timeout_seconds=2,
        max_page_bytes=1_000_000,
    )


@dataclass
class Waits:
    """A clock that stands still, and notes for how long it was to wait."""

    seconds: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(now=lambda: datetime(2024, 6, 1, tzinfo=UTC), sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def store(tmp_path):
    with Warehouse(path=str(tmp_path / "warehouse.db")).session() as session:
        yield session


@pytest.fixture
def author():
    return Author(
        slug="ann", name="Ann", consent=Consent(given_by="Ann"), sources=[SourceConfig.model_validate({"type": "web"})]
    )


@pytest.fixture
def source(author, store, limits, waits):
    """Return a source by its options: `source("feed", url=...)`."""

    def make(kind: str, *, limits=limits, **options):
        context = SourceContext(Path(), lambda _: [], pages=store, web=limits)
        config = SourceConfig.model_validate({"type": kind, **options})
        return replace(SOURCES[kind](author, config, context), clock=waits.clock())

    return make


@pytest.fixture
def collect(source, site):
    """Collect from a source, and return its links by path."""

    def run(kind: str, **options):
        links = list(source(kind, **options).collect())
        return {link.address.removeprefix(site.address): link for link in links}

    return run
