"""Feeds and sitemaps: which pages they name, and what happens when they are broken or forget a page."""

import gzip

import pytest
from aiohttp import web
from served import WORDS, index, page, put_feed, rss, urlset, whole

from twin_assets.collection.links import documents_of
from twin_assets.collection.web import listings
from twin_assets.errors import UserError


def outcomes(links):
    return {path: link.outcome for path, link in links.items()}


def test_a_feed_names_pages_and_the_pages_are_read(site, collect):
    feed = put_feed(site, "one", "two", content=whole("<p>From the feed.</p>"))
    site.put("/one", page("One"))
    site.put("/two", page("Two"))
    links = collect("feed", url=feed)
    assert outcomes(links) == {"/one": "found", "/two": "found"}
    document = links["/one"].document
    assert f"{WORDS} One." in document.text
    assert document.published_at.isoformat() == "2024-03-01T10:00:00+00:00"


def test_atom_is_read_too(site, collect):
    entry = (
        f"<entry><title>One</title><id>urn:1</id><link href='{site.put('/one', page('One'))}'/>"
        "<updated>2024-03-01T10:00:00Z</updated></entry>"
    )
    feed = site.put("/atom", f"<feed xmlns='http://www.w3.org/2005/Atom'><title>A</title>{entry}</feed>", "text/xml")
    assert outcomes(collect("feed", url=feed)) == {"/one": "found"}


def test_a_page_that_the_feed_does_not_show_any_more_is_asked_again_and_kept(site, collect):
    feed = put_feed(site, "one")
    site.put("/one", page("One"))
    collect("feed", url=feed)
    put_feed(site, "two")
    site.put("/two", page("Two"))
    site.asked.clear()
    assert outcomes(collect("feed", url=feed)) == {"/two": "found", "/one": "found"}
    assert site.statuses("/one") == [304]


def test_the_feed_stands_in_for_a_page_that_cannot_be_had(site, collect):
    code = "<pre><code>a  =  1\n\nb</code></pre>"
    feed = put_feed(site, "one", content=whole(f"<h2>Part</h2><p>It's from the feed.</p>{code}"))
    site.put("/one", lambda _: web.Response(status=403))
    first = collect("feed", url=feed)["/one"]
    assert first.outcome == "found"
    assert first.document.text == "## Part\n\nIt's from the feed.\n\n```\na  =  1\n\nb\n```"
    assert (first.document.url, first.document.language) == (site.url("/one"), "de")
    assert collect("feed", url=feed)["/one"] == first


def test_a_page_that_was_once_had_is_not_replaced_by_its_feed(site, collect):
    feed = put_feed(site, "one", content=whole("<p>Short.</p>"))
    site.put("/one", page("One"))
    known = collect("feed", url=feed)["/one"].document
    site.put("/one", lambda _: web.Response(status=500))
    link = collect("feed", url=feed)["/one"]
    assert (link.outcome, link.document) == ("failed", known)


def test_a_summary_is_not_taken_for_the_text(site, collect):
    feed = put_feed(site, "one", content="<description>Only the beginning ...</description>")
    site.put("/one", lambda _: web.Response(status=403))
    link = collect("feed", url=feed)["/one"]
    assert (link.outcome, link.document) == ("refused", None)


def test_the_option_content_takes_the_text_from_the_feed_alone(site, collect):
    feed = put_feed(site, "one", content=whole("<p>From the feed.</p>"))
    site.put("/one", page("One"))
    assert collect("feed", url=feed, content="feed")["/one"].document.text == "From the feed."
    assert site.statuses("/one") == []


@pytest.mark.parametrize("status", [200, 403])
def test_a_text_of_the_feed_stays_when_its_entry_leaves_the_feed(site, collect, status):
    def feed(name):
        return put_feed(site, name, content=whole(f"<p>{name}, from the feed.</p>"))

    known = collect("feed", url=feed("one"), content="feed")["/one"]
    site.put("/one", lambda _: web.Response(status=status, text=page("One"), content_type="text/html"))
    assert collect("feed", url=feed("two"), content="feed")["/one"] == known
    site.remove("/one")
    for outcome in ("failed", "failed", "gone"):
        assert collect("feed", url=feed("two"), content="feed")["/one"].outcome == outcome


def test_one_text_in_a_feed_that_cannot_be_read_does_not_hide_the_others(site, collect):
    feed = rss(site, "one", content=whole("<div>" * 5_000 + "word")).replace("</channel></rss>", "")
    feed += rss(site, "two", content=whole("<p>Words.</p>")).partition("</language>")[2]
    site.put("/feed", feed, "application/rss+xml")
    links = collect("feed", url=site.url("/feed"), content="feed")
    assert outcomes(links) == {"/one": "failed", "/two": "found"}
    assert "nested more than 512 deep" in links["/one"].reason


def test_a_feed_in_parts_is_read_to_its_end(site, collect):
    put_feed(site, "one", more=f'<atom:link rel="next" href="{site.url("/feed2")}"/>')
    circle = f'<atom:link rel="next" href="{site.url("/feed")}"/>'
    site.put("/feed2", rss(site, "two", more=circle), "application/rss+xml")
    site.put("/one", page("One"))
    site.put("/two", page("Two"))
    assert outcomes(collect("feed", url=site.url("/feed"))) == {"/one": "found", "/two": "found"}


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        (b"", "it is no valid RSS or Atom feed"),
        (b"<html><body>Not a feed</body></html>", "it is no valid RSS or Atom feed"),
        (b"<rss version='2.0'><channel></channel></rss>", "feed .* names no page"),
        (b"\x00\xff\xfe", "it is no valid RSS or Atom feed"),
    ],
)
def test_what_is_no_feed_is_refused_with_its_address(site, collect, feed, message):
    with pytest.raises(UserError, match=message):
        collect("feed", url=site.put("/feed", feed, "application/rss+xml"))


def test_a_malformed_feed_is_said_and_what_it_names_is_collected(site, collect):
    broken = rss(site, "one", "two").replace("</channel></rss>", "<item><title>cut of")
    site.put("/one", page("One"))
    site.put("/two", page("Two"))
    links = collect("feed", url=site.put("/feed", broken, "application/rss+xml"))
    assert outcomes(links) == {"/feed": "failed", "/one": "found", "/two": "found"}
    assert "it is damaged, so some of its pages may be missing" in links["/feed"].reason


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_feed_that_cannot_be_had_loses_nothing_that_is_known(site, collect, status):
    feed = put_feed(site, "one")
    site.put("/one", page("One"))
    known = documents_of(collect("feed", url=feed).values())
    site.put("/feed", lambda _: web.Response(status=status))
    links = collect("feed", url=feed)
    assert outcomes(links) == {"/feed": "failed", "/one": "found"}
    assert f"the server answers {status}" in links["/feed"].reason
    assert documents_of(links.values()) == known


def test_a_feed_that_cannot_be_had_and_never_was_fails_the_source(site, collect):
    with pytest.raises(UserError, match=r"ann: feed .*/feed names no page .*the server answers 404"):
        collect("feed", url=site.url("/feed"))


def test_a_sitemap_index_is_followed_packed_ones_too(site, collect):
    for name in ("one", "two"):
        site.put(f"/{name}", page(name))
    site.put("/a.xml", urlset(site.url("/one"), site.url("/two#part")), "application/xml")
    site.put("/b.xml.gz", gzip.compress(urlset(site.url("/two")).encode()), "application/gzip")
    circle = site.url("/sitemap.xml")
    url = site.put("/sitemap.xml", index(site.url("/a.xml"), site.url("/b.xml.gz"), circle), "application/xml")
    assert outcomes(collect("sitemap", url=url)) == {"/one": "found", "/two": "found"}
    assert site.statuses("/sitemap.xml") == [200]


def test_patterns_choose_among_the_pages_of_a_sitemap(site, collect):
    names = ("/blog/a", "/blog/2024/b", "/blog/tags/c", "/shop/d")
    url = site.put("/sitemap.xml", urlset(*(site.put(name, page(name)) for name in names)), "text/xml")
    assert set(collect("sitemap", url=url, include=["/blog/*"], exclude=["/blog/tags/*"])) == {
        "/blog/a",
        "/blog/2024/b",
    }
    assert set(collect("sitemap", url=url, include=["/blog/a"])) == {"/blog/a"}


def test_one_broken_sitemap_of_an_index_does_not_hide_the_others(site, collect):
    site.put("/a.xml", urlset(site.put("/one", page("One"))), "text/xml")
    site.put("/b.xml", "<urlset><url><loc>", "text/xml")
    url = site.put("/sitemap.xml", index(site.url("/b.xml"), site.url("/a.xml")), "text/xml")
    links = collect("sitemap", url=url)
    assert outcomes(links) == {"/b.xml": "failed", "/one": "found"}
    assert "it is no valid sitemap" in links["/b.xml"].reason


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<rss/>", "it is no sitemap, but a document of the kind <rss>"),
        (b"some words", "it is no sitemap: neither XML nor one address per line"),
        (b"\x1f\x8bnot gzip", "the packed sitemap is damaged"),
        (gzip.compress(b"<urlset></urlset>", mtime=0)[:-9], "the packed sitemap is damaged"),
        (gzip.compress(b" " * 60_000_000), "the sitemap is longer than 52,428,800 bytes"),
        (
            b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><urlset><url><loc>&c;</loc></url></urlset>',
            "it is no valid sitemap",
        ),
    ],
)
def test_what_is_no_sitemap_is_refused_with_the_reason(site, collect, content, message):
    with pytest.raises(UserError, match=message):
        collect("sitemap", url=site.put("/sitemap.xml", content, "application/xml"))


def test_what_is_no_address_is_passed_over_in_feeds_and_sitemaps(site, collect):
    one = site.put("/one", page("One"))
    wrong = ("http://[ann", "http://ann:99999999/", "mailto:ann@ann.example")
    url = site.put("/sitemap.xml", urlset(*wrong, one), "text/xml")
    assert outcomes(collect("sitemap", url=url)) == {"/one": "found"}
    items = "".join(f"<item><link>{address}</link></item>" for address in (*wrong, one))
    feed = site.put("/feed", f"<rss version='2.0'><channel>{items}</channel></rss>", "application/rss+xml")
    assert outcomes(collect("feed", url=feed)) == {"/one": "found"}


def test_parts_beyond_the_limit_are_said(site, collect, monkeypatch):
    monkeypatch.setattr(listings, "MAX_SITEMAPS", 2)
    monkeypatch.setattr(listings, "MAX_FEED_PAGES", 1)
    site.put("/one", page("One"))
    parts = [site.put(f"/{name}.xml", urlset(site.url("/one")), "text/xml") for name in ("a", "b")]
    whole_map = site.put("/map.xml", index(*parts), "text/xml")
    links = collect("sitemap", url=whole_map)
    assert links["/map.xml"].reason == "it names more than 2 sitemaps: the others were not read"
    older = f'<atom:link rel="next" href="{site.url("/feed2")}"/>'
    feed_links = collect("feed", url=put_feed(site, "one", more=older))
    assert feed_links["/feed"].reason == "it has more than 1 parts: the older ones were not read"
    assert outcomes(links)["/one"] == outcomes(feed_links)["/one"] == "found"


def test_a_list_of_addresses_is_a_sitemap_too(site, collect):
    url = site.put("/sitemap.txt", f"{site.put('/one', page('One'))}\n", "text/plain")
    assert outcomes(collect("sitemap", url=url)) == {"/one": "found"}


def test_substack_brings_the_feed_and_the_posts_of_the_sitemap_without_furniture(site, collect):
    post = (
        '<html><head><title>P</title></head><body><article><h1>P</h1><h3 class="subtitle">Below</h3><div '
        f'class="available-content"><div class="body markup"><p>{WORDS}</p><div class="subscription-widget-wrap">'
        "<p>Thanks for reading Ann! Subscribe to get this.</p></div><p>More.</p></div></div><div class='post-footer'>"
        "12 Likes</div></article></body></html>"
    )
    site.put("/feed", rss(site, "p/new"), "application/rss+xml")
    addresses = [site.put(path, post) for path in ("/p/new", "/p/old", "/about", "/p/old/comments")]
    site.put("/sitemap.xml", urlset(*addresses), "text/xml")
    links = collect("substack", url=site.url("/"))
    assert outcomes(links) == {"/p/new": "found", "/p/old": "found"}
    document = links["/p/old"].document
    assert document.text == f"{WORDS}\n\nMore."
    assert (document.platform, document.subtitle) == ("substack", "Below")


def test_medium_brings_the_feed_and_the_stories_of_the_sitemap_without_furniture(site, collect):
    story = (
        "<html><head><title>S</title></head><body><article><section><h1>S</h1><h2 class='pw-subtitle-paragraph'>Below"
        "</h2><div data-testid='authorName'>Ann</div><span data-testid='storyReadTime'>5 min read</span>"
        f"<button data-testid='headerClapButton'>Clap</button><p>{WORDS}</p></section></article></body></html>"
    )
    site.put("/feed", rss(site, "new-0123456789ab"), "application/rss+xml")
    addresses = [site.put(path, story) for path in ("/new-0123456789ab", "/old-ba9876543210", "/about", "/tag/x")]
    site.put("/sitemap/sitemap.xml", urlset(*addresses), "text/xml")
    links = collect("medium", url=site.url("/"))
    assert outcomes(links) == {"/new-0123456789ab": "found", "/old-ba9876543210": "found"}
    document = links["/old-ba9876543210"].document
    assert "min read" not in document.text
    assert WORDS in document.text
    assert (document.platform, document.subtitle) == ("medium", "Below")


def test_a_publication_without_a_sitemap_is_its_feed(site, collect):
    site.put("/feed", rss(site, "p/new"), "application/rss+xml")
    site.put("/p/new", page("New"))
    assert outcomes(collect("substack", url=site.url("/"))) == {"/p/new": "found"}
    site.put("/sitemap.xml", lambda _: web.Response(status=500))
    assert outcomes(collect("substack", url=site.url("/"))) == {"/sitemap.xml": "failed", "/p/new": "found"}


@pytest.mark.parametrize("options", [{}, {"handle": "ann", "url": "https://ann.example"}])
def test_a_publication_has_a_name_or_an_address(source, options):
    with pytest.raises(UserError, match="give either `handle` or `url`"):
        source("medium", **options)
