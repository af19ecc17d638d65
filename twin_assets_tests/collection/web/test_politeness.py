"""How hosts are asked: by the rules of robots.txt, at their pace, and again only where that can help."""

import asyncio
import time
from dataclasses import replace

import pytest
from aiohttp import web
from served import Server, page, redirect

from twin_assets.collection.web.clock import Clock


def test_a_page_that_robots_txt_forbids_from_now_on_is_not_asked_for_and_not_lost(site, collect):
    pages = [site.put("/page", page("Page")), site.put("/good", page("Good"))]
    known = collect("web", pages=pages)["/page"].document
    site.asked.clear()
    site.put("/robots.txt", "User-agent: *\nDisallow: /page", "text/plain")
    links = collect("web", pages=pages)
    assert (links["/page"].outcome, links["/page"].document) == ("refused", known)
    assert (links["/good"].outcome, site.statuses("/page")) == ("found", [])


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ("User-agent: *\nDisallow: /page", False),
        ("User-agent: twin_assets\nDisallow: /page", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: twin_assets\nAllow: /", True),
        ("User-agent: other\nDisallow: /", True),
        ("User-agent: *\nDisallow: /\nAllow: /page$", True),
    ],
)
def test_robots_txt_is_read_under_our_name(site, collect, rules, allowed):
    site.put("/robots.txt", rules, "text/plain")
    link = collect("web", pages=[site.put("/page", page("Page"))])["/page"]
    assert (link.outcome, link.reason) == (("found", "") if allowed else ("refused", "robots.txt forbids it"))
    assert site.statuses("/page") == ([200] if allowed else [])


@pytest.mark.parametrize(("status", "outcome"), [(403, "found"), (404, "found"), (500, "failed"), (503, "failed")])
def test_without_rules_everything_is_allowed_and_with_a_broken_robots_txt_nothing(site, collect, status, outcome):
    site.put("/robots.txt", lambda _: web.Response(status=status))
    link = collect("web", pages=[site.put("/page", page("Page"))])["/page"]
    assert link.outcome == outcome
    if outcome == "failed":
        assert "nothing may be asked now" in link.reason
        assert site.statuses("/page") == []


def test_robots_txt_is_read_once_in_a_crawl(site, collect):
    collect("web", pages=[site.put(f"/{number}", page(str(number))) for number in range(5)])
    assert site.statuses("/robots.txt") == [404]


def test_a_server_that_hangs_is_given_up_after_three_attempts(site, look, limits, waits):
    async def hang(_):
        await asyncio.sleep(60)

    start = time.monotonic()
    link = look(hang, limits=limits.model_copy(update={"timeout_seconds": 0.3}))
    assert time.monotonic() - start < 5
    assert (link.outcome, link.reason) == ("failed", "no answer within 0.3 seconds")
    assert waits.seconds == [1, 2]


def test_a_429_is_asked_again_after_the_time_that_it_names(site, collect, waits):
    answers = [
        web.Response(status=429, headers={"Retry-After": "7"}),
        web.Response(text=page("Page"), content_type="text/html"),
    ]
    site.put("/page", lambda _: answers.pop(0))
    assert collect("web", pages=[site.url("/page")])["/page"].outcome == "found"
    assert waits.seconds == [7]
    assert site.statuses("/page") == [429, 200]


def test_the_whole_host_rests_while_it_asks_us_to_wait(site, source, limits):
    times = []

    def busy_once(_):
        times.append(time.monotonic())
        if len(times) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.Response(text=page(str(len(times))), content_type="text/html")

    pages = [site.put(f"/{number}", busy_once) for number in range(6)]
    one_by_one = limits.model_copy(update={"connections_per_host": 1})
    clock = Clock(sleep=lambda _: asyncio.sleep(0.3))
    links = list(replace(source("web", pages=pages, limits=one_by_one), clock=clock).collect())
    assert {link.outcome for link in links} == {"found"}
    assert times[1] - times[0] >= 0.3


def test_a_429_that_asks_for_an_hour_is_left_to_the_next_crawl(look, site, waits):
    link = look(lambda _: web.Response(status=429, headers={"Retry-After": "3600"}))
    assert (link.outcome, link.reason) == ("failed", "the server answers 429 Too Many Requests")
    assert waits.seconds == []
    assert site.statuses("/page") == [429]


@pytest.mark.parametrize(("status", "attempts"), [(500, 1), (501, 1), (502, 3), (503, 3), (504, 3), (418, 1)])
def test_only_what_can_succeed_is_asked_again(look, site, status, attempts):
    link = look(lambda _: web.Response(status=status))
    assert link.outcome == "failed"
    assert f"the server answers {status}" in link.reason
    assert site.statuses("/page") == [status] * attempts


def test_a_page_that_has_moved_is_followed_and_robots_txt_asked_again(site, collect):
    with Server(answer_elsewhere) as elsewhere:
        site.put("/page", redirect(f"{elsewhere}/forbidden"))
        link = collect("web", pages=[site.url("/page")])["/page"]
    assert (link.outcome, link.reason) == ("refused", "robots.txt forbids it")


async def answer_elsewhere(request):
    if request.path == "/robots.txt":
        return web.Response(text="User-agent: *\nDisallow: /forbidden")
    return web.Response(text=page("Forbidden"), content_type="text/html")


def test_a_host_that_fails_five_times_in_a_row_is_left_alone(site, collect, limits):
    pages = [site.put(f"/{number}", lambda _: web.Response(status=500)) for number in range(12)]
    one_by_one = limits.model_copy(update={"connections_per_host": 1})
    links = collect("web", pages=pages, limits=one_by_one)
    assert {link.outcome for link in links.values()} == {"failed"}
    assert len([path for path, _ in site.asked if path != "/robots.txt"]) == 5
    assert links["/11"].reason == (
        "not asked, because 127.0.0.1 failed 5 times in a row, the last time since the server answers 500"
    )


def test_the_rate_of_a_host_is_kept(site, collect, limits):
    pages = [site.put(f"/{number}", page(str(number))) for number in range(4)]
    start = time.monotonic()
    collect("web", pages=pages, limits=limits.model_copy(update={"requests_per_second": 10}))
    # Five requests, the first of them at once.
    assert time.monotonic() - start >= 0.4


def test_a_crawl_delay_slows_down_what_is_asked_after_it(site, collect):
    site.put("/robots.txt", "User-agent: *\nCrawl-delay: 0.2", "text/plain")
    start = time.monotonic()
    collect("web", pages=[site.put(f"/{number}", page(str(number))) for number in range(3)])
    assert time.monotonic() - start >= 0.4


def test_no_more_requests_at_a_time_than_allowed(site, collect, limits):
    running, most = 0, 0

    async def slow(_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return web.Response(text=page("Slow"), content_type="text/html")

    pages = [site.put(f"/{number}", slow) for number in range(8)]
    collect("web", pages=pages, limits=limits.model_copy(update={"connections_per_host": 2}))
    assert most == 2
