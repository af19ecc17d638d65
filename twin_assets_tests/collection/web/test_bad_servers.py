"""Servers that lie, break off or lead astray: each ends in a link that says why, and what was known stays."""

import asyncio
import gzip
import re
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from served import Server, page, redirect

from twin_assets.collection.web.answers import Refused
from twin_assets.collection.web.clock import Clock
from twin_assets.collection.web.recipe import Recipe
from twin_assets.collection.web.transport import Transport
from twin_assets.errors import UserError


def test_a_server_that_dies_half_way_is_asked_again_and_never_half_a_page_taken(look, site):
    async def die(request):
        response = web.StreamResponse(headers={"Content-Type": "text/html", "Content-Length": "5000"})
        await response.prepare(request)
        await response.write(page("Half").encode())
        request.transport.abort()
        return response

    link = look(die)
    assert (link.outcome, link.reason) == ("failed", "the connection broke off before the answer was complete")
    assert site.statuses("/page") == [200] * 3


def test_a_redirect_loop_is_noticed(look, site):
    site.put("/other", redirect("/page"))
    assert look(redirect("/other")).reason == "the server redirects in a circle"


def test_a_redirect_to_no_address_is_said(look):
    assert look(redirect("http://[ann")).reason == "the server redirects to something that is no address"


def test_a_redirect_without_end_is_given_up(look, site):
    for number in range(10):
        site.put(f"/{number}", redirect(f"/{number + 1}"))
    assert look(redirect("/0")).reason == "the server redirects more than 5 times"
    assert site.statuses("/4") == [302]
    assert site.statuses("/5") == []


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://ann.example/a", "javascript:alert(1)"])
def test_a_redirect_out_of_the_web_is_refused(look, place):
    link = look(redirect(place))
    assert link.outcome == "refused"
    assert link.reason == f"{place} is not an address of the web (http:// or https://)"


def test_a_page_of_200_mb_is_not_read_to_its_end(look, site):
    sent = []

    async def endless(request):
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        for _ in range(200):
            await response.write(b"x" * 1_000_000)
            sent.append(1)
        return response

    link = look(endless)
    assert (link.outcome, link.reason) == (
        "failed",
        "the page is longer than 1,000,000 bytes (TWIN_CRAWL_MAX_PAGE_BYTES)",
    )
    assert 0 < len(sent) < 50


def test_a_small_packed_page_that_unpacks_to_200_mb_is_not_unpacked(look):
    bomb = gzip.compress(b"<p>" + b"x" * 50_000_000)
    assert len(bomb) < 100_000
    link = look(lambda _: web.Response(body=bomb, headers={"Content-Type": "text/html", "Content-Encoding": "gzip"}))
    assert "longer than 1,000,000 bytes" in link.reason


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (lambda _: web.Response(status=401), "the server answers 401: the page is not public"),
        (lambda _: web.Response(status=403), "the server answers 403: the page is not public"),
        (redirect("/login?next=/page"), "it needs a login"),
        (
            lambda _: web.Response(text="<form>Name<input><input type=password></form>", content_type="text/html"),
            "it needs a login",
        ),
        (lambda _: web.Response(body=b"%PDF", content_type="application/pdf"), "it is no page, but application/pdf"),
        (
            lambda _: web.Response(
                text=page("Part", head='<script type="application/ld+json">{"@type": "BlogPosting", '
                          '"isAccessibleForFree": false}</script>'),
                content_type="text/html",
            ),
            "only its beginning is public: the rest must be paid for",
        ),
    ],
)  # fmt: skip
def test_what_is_not_public_or_no_page_is_refused(look, site, handler, reason):
    site.put("/login", page("Please log in"))
    link = look(handler)
    assert (link.outcome, link.reason) == ("refused", reason)


def test_a_certificate_that_cannot_be_trusted_is_named(collect, tmp_path):
    with Server(lambda _: web.Response(text="secret"), self_signed(tmp_path)) as address:
        [link] = collect("web", pages=[f"{address}/page"]).values()
    assert link.outcome == "failed"
    assert "the certificate of the server cannot be trusted (self-signed certificate)" in link.reason


def test_a_server_that_is_not_there_is_said(collect):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/page"
    [link] = collect("web", pages=[address]).values()
    assert link.outcome == "failed"
    assert "the server cannot be reached (Connect" in link.reason


DISGUISED = ["\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1"]
"""A loopback address, in characters that a client takes for digits and dots."""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", *DISGUISED])
def test_a_private_address_is_refused_unless_the_setting_allows_it(site, collect, limits, host):
    site.put("/page", page("Page"))
    public = limits.model_copy(update={"allow_private_hosts": False})
    [link] = collect("web", pages=[site.url("/page").replace("127.0.0.1", host)], limits=public).values()
    assert link.outcome == "refused"
    assert f"{host} lies in a private network" in link.reason
    assert site.asked == []


class Names(AbstractResolver):
    """A name server whose answers change, as in DNS rebinding."""

    def __init__(self, *addresses):
        self.addresses = list(addresses)

    async def resolve(self, host, port=0, family=socket.AF_INET):
        known = {"hostname": host, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        return [{**known, "host": self.addresses.pop(0)}]

    async def close(self):
        pass


@pytest.mark.parametrize(
    ("host", "addresses"), [("rebound.example", ["127.0.0.1"]), *((host, []) for host in ["127.0.0.1", *DISGUISED])]
)
def test_what_is_private_is_refused_where_the_connection_is_made(site, limits, host, addresses):
    public = limits.model_copy(update={"allow_private_hosts": False})

    async def ask():
        async with Transport(public, Clock(), Names(*addresses)) as transport:
            await transport.ask(site.put("/page", page("Page")).replace("127.0.0.1", host))

    with pytest.raises(Refused, match=f"{re.escape(host)} lies in a private network"):
        asyncio.run(ask())
    assert site.asked == []


@pytest.mark.parametrize("place", ["http://10.0.0.1/a", "http://169.254.169.254/latest", "http://[::1]/a"])
def test_a_redirect_to_a_private_address_is_refused(look, site, limits, monkeypatch, place):
    # The site of the test is on loopback: for once, that alone is public.
    monkeypatch.setattr("twin_assets.collection.web.guard.is_public", lambda address: address == "127.0.0.1")
    link = look(redirect(place), limits=limits.model_copy(update={"allow_private_hosts": False}))
    assert link.outcome == "refused"
    assert "lies in a private network" in link.reason


def json_ld(written):
    return page("Odd", head=f'<script type="application/ld+json">{written}</script>').replace("og:title", "none")


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (page("Odd"), "text/html; charset=undefined"),
        (page("Odd"), "text/html; charset=punycode"),
        (page("Odd", head="<meta charset='utf\0-8'>"), "text/html"),
        (json_ld('{"@type": "BlogPosting", "headline": "Half \\ud83d"}'), "text/html"),
        (json_ld("[" * 100_000), "text/html"),
    ],
)
def test_an_odd_page_is_read_all_the_same(site, collect, content, media_type):
    links = collect("web", pages=[site.put("/odd", content, media_type), site.put("/good", page("Good"))])
    assert {link.outcome for link in links.values()} == {"found"}
    assert links["/odd"].document.text.endswith("Odd.")


async def with_headers(request, status, *headers):
    """Answer with bytes that a server of good manners does not send."""
    body = page("Odd").encode()
    lines = [b"HTTP/1.1 %d OK" % status, b"Content-Type: text/html", b"Content-Length: %d" % len(body), *headers]
    request.transport.write(b"\r\n".join([*lines, b"Connection: close", b"", body]))
    request.transport.close()
    return web.Response()


def test_a_validator_that_is_not_utf_8_is_none(site, collect, store):
    url = site.put("/odd", lambda request: with_headers(request, 200, b'ETag: "\xe9"'))
    for _ in range(2):
        assert collect("web", pages=[url])["/odd"].outcome == "found"
    assert store.pages("ann", "web")[url].etag is None


def test_a_redirect_that_is_not_utf_8_is_not_followed(look):
    link = look(lambda request: with_headers(request, 302, b"Location: /caf\xe9"))
    assert (link.outcome, link.reason) == ("failed", "the server answers 302")


@pytest.mark.parametrize("error", [ValueError("odd"), RecursionError()])
def test_what_nobody_thought_of_fails_one_page_and_no_other(look, monkeypatch, error):
    real = Recipe.document_of_page

    def document_of_page(recipe, html, *rest):
        if "Odd" in html:
            raise error
        return real(recipe, html, *rest)

    monkeypatch.setattr(Recipe, "document_of_page", document_of_page)
    link = look(lambda _: web.Response(text=page("Odd"), content_type="text/html"))
    assert (link.outcome, link.reason) == ("failed", f"it cannot be read ({type(error).__name__})")


def test_a_warehouse_that_refuses_a_page_ends_the_crawl(site, collect, store, monkeypatch):
    def refuse(*_):
        raise UserError("The warehouse is full.")

    monkeypatch.setattr(store, "remember_page", refuse)
    with pytest.raises(UserError, match="full"):
        collect("web", pages=[site.put("/good", page("Good"))])


def self_signed(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
