"""Pages that need JavaScript, through crawl4ai and the system's Chromium, which has no network of its own."""

import shutil

import pytest
from aiohttp import web
from served import WORDS, Server, page, redirect

from twin_assets.collection.links import documents_of
from twin_assets.collection.web.browser import BrowserReader
from twin_assets.errors import UserError

CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

EMPTY_SHELL = (
    '<!doctype html><html><head><title>Shell</title></head><body><article id="here"></article>'
    '<script src="/show.js"></script></body></html>'
)


def script(address):
    return f"""
fetch("{address}").then(answer => answer.text()).then(
  text => {{ document.getElementById("here").innerHTML = "<h1>Shown</h1><p>" + text + "</p>"; }},
  error => {{ document.getElementById("here").innerHTML = "<h1>Shown</h1><p>{WORDS} The rest was blocked.</p>"; }});
"""


@pytest.fixture
def in_browser(limits):
    return limits.model_copy(update={"chromium": CHROMIUM, "timeout_seconds": 20})


@needs_chromium
def test_a_page_that_needs_javascript_is_read_as_a_browser_shows_it(site, collect, in_browser):
    url = site.put("/app", EMPTY_SHELL)
    site.put("/show.js", script("/data"), "text/javascript")
    site.put("/data", WORDS, "text/plain")
    plain = collect("web", pages=[url])["/app"]
    assert (plain.outcome, plain.document) == ("failed", None)
    assert "set `javascript: true`" in plain.reason
    shown = collect("web", pages=[url], javascript=True, limits=in_browser)["/app"]
    assert f"# Shown\n\n{WORDS}" in shown.document.text
    assert shown.document.title == "Shell"


@needs_chromium
def test_a_script_cannot_reach_what_we_may_not_ask(site, collect, in_browser):
    reached = []

    async def secret(request):
        reached.append(request.path)
        return web.Response(text="secret", headers={"Access-Control-Allow-Origin": "*"})

    with Server(secret) as private:
        site.put("/robots.txt", "User-agent: *\nDisallow: /data", "text/plain")
        site.put("/data", "forbidden", "text/plain")
        ways = f"""
new WebSocket("{private.replace("http", "ws")}/socket");
new Image().src = "{private}/image";
navigator.sendBeacon("{private}/beacon", "words");
fetch("{private}/post", {{method: "POST", body: "words"}}).catch(() => 0);
"""
        site.put("/show.js", ways + script("/data"), "text/javascript")
        links = collect("web", pages=[site.put("/app", EMPTY_SHELL)], javascript=True, limits=in_browser)
    assert reached == []
    assert site.statuses("/data") == []
    [document] = documents_of(links.values())
    assert "The rest was blocked." in document.text


@needs_chromium
def test_the_browser_has_no_network_of_its_own(site, collect, in_browser, monkeypatch):
    async def leave_it_alone(_, page, context, **__):
        return page

    # Without the part that hands pages to it, the browser has to ask for them itself.
    monkeypatch.setattr(BrowserReader, "_take_over_network", leave_it_alone)
    link = collect("web", pages=[site.put("/one", page("One"))], javascript=True, limits=in_browser)["/one"]
    assert link.outcome == "failed"
    assert "the browser could not show it" in link.reason
    assert site.statuses("/one") == [200]


@needs_chromium
def test_static_and_shown_pages_of_one_site_give_the_same_text(site, collect, in_browser, store):
    url = site.put("/one", page("One"))
    static = collect("web", pages=[url])["/one"].document
    shown = collect("web", pages=[url], javascript=True, limits=in_browser)["/one"].document
    assert shown == static


@needs_chromium
def test_two_addresses_that_lead_to_one_page_are_shown_both(site, collect, in_browser):
    site.put("/one", page("One"))
    pages = [site.put(path, redirect("/one")) for path in ("/a", "/b")]
    links = collect("web", pages=pages, javascript=True, limits=in_browser)
    assert [(link.outcome, link.document is not None) for link in links.values()] == [
        ("found", True),
        ("refused", False),
    ]


def test_a_browser_that_is_not_there_is_said_before_anything_is_read(site, collect, limits, tmp_path):
    nowhere = limits.model_copy(update={"chromium": str(tmp_path / "chromium")})
    with pytest.raises(UserError, match=r"There is no browser at .*: install chromium, or set TWIN_CHROMIUM"):
        collect("web", pages=[site.put("/one", page("One"))], javascript=True, limits=nowhere)
