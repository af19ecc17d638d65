"""A crawl of a site on loopback: what is collected, what is asked again, and what is lost: nothing."""

from datetime import timedelta

import pytest
from aiohttp import web
from served import WORDS, page

from twin_assets.collection.links import documents_of, ledger_of
from twin_assets.documents import KnownDocument, document_id_for
from twin_assets.errors import UserError


def outcomes(links):
    return {path: link.outcome for path, link in links.items()}


def known_of(links):
    return {
        document.document_id: KnownDocument(
            document_id=document.document_id,
            content_hash=document.content_hash,
            address=document.url,
            platform=document.platform,
        )
        for document in documents_of(links.values())
    }


def states(links, before):
    return sorted(line.state for line in ledger_of(list(links.values()), known_of(before)))


def test_a_page_becomes_a_document_under_its_canonical_address(site, collect):
    head = (
        '<link rel="canonical" href="/one?utm_source=feed#top">'
        '<meta property="article:published_time" content="2024-03-01T10:00:00+02:00">'
    )
    url = site.put("/one.html", page("One", "<pre><code class='language-python'>x  =  1\n</code></pre>", head=head))
    document = collect("web", pages=[url])["/one.html"].document
    assert document.url == site.url("/one")
    assert document.document_id == document_id_for(site.url("/one"))
    assert (document.title, document.language, document.platform) == ("One", "en", "127.0.0.1")
    assert document.published_at.isoformat() == "2024-03-01T08:00:00+00:00"
    assert (document.media_type, document.category, document.source) == ("text/markdown", "articles", "web")
    assert f"{WORDS} One." in document.text
    assert "```python\nx  =  1\n```" in document.text
    assert "Home" not in document.text


def test_a_second_crawl_downloads_only_what_changed_and_the_states_add_up(site, collect):
    pages = [site.put(f"/{name}", page(name)) for name in ("same", "edited", "removed")]
    first = collect("web", pages=pages)
    assert states(first, {}) == ["new"] * 3
    site.asked.clear()
    site.put("/edited", page("edited", "<p>More.</p>"))
    site.remove("/removed")
    fresh = site.put("/fresh", page("fresh"))
    second = collect("web", pages=[*pages, fresh])
    assert sorted(site.asked) == [
        ("/edited", 200), ("/fresh", 200), ("/removed", 404), ("/robots.txt", 404), ("/same", 304),
    ]  # fmt: skip
    assert states(second, first) == ["changed", "failed", "new", "unchanged"]
    assert second["/same"].document == first["/same"].document
    assert second["/removed"].document == first["/removed"].document
    # The 304 named no ETag; that of the page still counts.
    collect("web", pages=pages)
    assert site.statuses("/same") == [304, 304]


def test_the_same_pages_give_the_same_documents(site, collect, store):
    url = site.put("/one", page("One"))
    first = collect("web", pages=[url])
    store.forget_pages("ann", "web", [url])
    assert collect("web", pages=[url]) == first


def test_a_page_is_gone_after_three_crawls_that_do_not_find_it_and_not_before(site, collect):
    url = site.put("/one", page("One"))
    first = collect("web", pages=[url])
    site.remove("/one")
    for times in (1, 2):
        link = collect("web", pages=[url])["/one"]
        assert (link.outcome, link.document) == ("failed", first["/one"].document)
        assert f"in a row (now: {times})" in link.reason
    last = collect("web", pages=[url])
    assert states(last, first) == ["gone"]
    assert documents_of(last.values()) == []
    assert outcomes(collect("web", pages=[url])) == {"/one": "failed"}


def test_a_page_that_comes_back_counts_from_the_beginning(site, collect):
    url = site.put("/one", page("One"))
    collect("web", pages=[url])
    site.remove("/one")
    collect("web", pages=[url])
    collect("web", pages=[url])
    site.put("/one", page("One"))
    assert outcomes(collect("web", pages=[url])) == {"/one": "found"}
    site.remove("/one")
    assert outcomes(collect("web", pages=[url])) == {"/one": "failed"}


class Interrupted(Exception):  # noqa: N818 - it stands for a person's Ctrl-C
    """What ends a crawl in the middle."""


@pytest.fixture
def interrupt(site, source, store, monkeypatch):
    """Interrupt a crawl of three pages after two of them; return the three."""
    pages = [site.put(f"/{name}", page(name)) for name in ("a", "b", "c")]
    remembered = store.remember_page

    def remember_two(author, name, known):
        if len(store.pages(author, name)) == 2:
            raise Interrupted
        remembered(author, name, known)

    with monkeypatch.context() as patch:
        patch.setattr(store, "remember_page", remember_two)
        with pytest.raises(Interrupted):
            list(source("web", pages=pages).collect())
    site.asked.clear()
    return pages


def statuses(site):
    return sorted(status for path, status in site.asked if path != "/robots.txt")


def test_an_interrupted_crawl_goes_on_where_it_stopped(site, interrupt, collect):
    assert set(outcomes(collect("web", pages=interrupt)).values()) == {"found"}
    assert statuses(site) == [200]
    site.asked.clear()
    collect("web", pages=interrupt)
    assert statuses(site) == [304, 304, 304]


def test_an_interrupted_crawl_with_other_options_begins_anew(site, interrupt, collect):
    links = collect("web", pages=interrupt, category="posts")
    assert {link.document.category for link in links.values()} == {"posts"}
    assert statuses(site) == [200, 200, 200]


def test_an_interrupted_crawl_of_yesterday_begins_anew(site, interrupt, collect, store, monkeypatch):
    now = store._now()
    monkeypatch.setattr(store, "_now", lambda: now + timedelta(days=1, minutes=1))
    collect("web", pages=interrupt)
    assert statuses(site) == [200, 304, 304]


def test_two_addresses_of_one_page_give_one_document(site, collect):
    head = '<link rel="canonical" href="/one">'
    pages = [site.put(path, page("One", head=head)) for path in ("/one", "/print")]
    links = collect("web", pages=pages)
    assert outcomes(links) == {"/one": "found", "/print": "refused"}
    assert links["/print"].reason == f"it is the same page as {site.url('/one')}, which is collected already"
    assert len(documents_of(links.values())) == 1


def test_other_options_fetch_the_page_whole_although_it_has_not_changed(site, collect):
    url = site.put("/one", page("One"))
    collect("web", pages=[url])
    assert collect("web", pages=[url], category="posts")["/one"].document.category == "posts"
    assert site.statuses("/one") == [200, 200]


def test_a_failed_page_does_not_hide_the_others(site, collect):
    site.put("/broken", lambda _: web.Response(status=500))
    links = collect("web", pages=[site.put("/one", page("One")), site.url("/broken")])
    assert outcomes(links) == {"/one": "found", "/broken": "failed"}
    assert links["/broken"].reason == "the server answers 500"


def test_a_source_that_only_collecting_tells_of_has_no_fingerprint(site, source):
    assert source("web", pages=[site.url("/one")]).fingerprint() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "ann: source web: pages: Field required"),
        ({"pages": ["ann.example/a"]}, "'ann.example/a' is no address of the web: write it as https://"),
        ({"pages": ["ftp://ann.example/a"]}, "is no address of the web"),
        ({"pages": ["https://ann.example/a"], "depth": 3}, "depth: Extra inputs are not permitted"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(source, options, message):
    with pytest.raises(UserError, match=message):
        source("web", **options)
