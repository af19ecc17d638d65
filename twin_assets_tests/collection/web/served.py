"""A site on loopback, whose pages the tests put there, change and take away; and what it serves."""

import asyncio
import hashlib
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from aiohttp import web

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


def rss(site, *names, content="", more=""):
    items = "".join(
        f"<item><title>{name}</title><link>{site.url(f'/{name}')}?utm_source=rss</link>"
        f"<pubDate>Fri, 01 Mar 2024 10:00:00 GMT</pubDate>{content}</item>"
        for name in names
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Ann</title>'
        f"<language>de-AT</language>{more}{items}</channel></rss>"
    )


def whole(html):
    return f"<content:encoded><![CDATA[{html}]]></content:encoded>"


def put_feed(site, *names, **parts):
    return site.put("/feed", rss(site, *names, **parts), "application/rss+xml")


def urlset(*urls):
    places = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>'


def index(*urls):
    places = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</sitemapindex>'


def redirect(place):
    return lambda _: web.Response(status=302, headers={"Location": place})
