"""Addresses: one form each, the platform of a host exactly, and which of them may be asked."""

import pytest

from twin_assets.collection.web.addresses import normalised, platform_of
from twin_assets.collection.web.answers import Refused
from twin_assets.collection.web.guard import check_address, is_public
from twin_assets.collection.web.publications import (
    is_medium_story,
    is_substack_post,
    medium_publication,
    substack_publication,
)


@pytest.mark.parametrize(
    ("url", "platform"),
    [
        ("https://medium.com/@ann/a", "medium"),
        ("https://ann.medium.com/a", "medium"),
        ("https://ANN.MEDIUM.COM./a", "medium"),
        ("https://medium.com.evil.org/a", "medium.com.evil.org"),
        ("https://medium.community/a", "medium.community"),
        ("https://notmedium.com/a", "notmedium.com"),
        ("https://medium.com@evil.org/a", "evil.org"),
        ("https://evil.org/medium.com/", "evil.org"),
        ("https://ann.substack.com/p/a", "substack"),
        ("https://substack.com.evil.org/p/a", "substack.com.evil.org"),
        ("https://www.ann.example/a", "ann.example"),
    ],
)
def test_a_platform_is_known_by_its_exact_host(url, platform):
    assert platform_of(url) == platform


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("HTTPS://Ann.Example:443/a#part", "https://ann.example/a"),
        ("https://ann.example", "https://ann.example/"),
        ("https://ann.example/a/../b/./c/", "https://ann.example/b/c/"),
        ("https://ann.example/a?utm_source=x&utm_medium=y", "https://ann.example/a"),
        ("https://ann.example/?p=1&fbclid=z", "https://ann.example/?p=1"),
        ("https://ann.example/a?source=book&r=2", "https://ann.example/a?source=book&r=2"),
        ("https://ann.medium.com/a?source=rss----0", "https://ann.medium.com/a"),
        ("https://ann.substack.com/p/a?r=1&triedRedirect=true", "https://ann.substack.com/p/a"),
        ("https://ann.example/a?q=%C3%A4+b", "https://ann.example/a?q=%C3%A4+b"),
        ("https://user:secret@ann.example/a", "https://ann.example/a"),
        ("http://[2001:DB8::1]:8080/a", "http://[2001:db8::1]:8080/a"),
        ("/b", "https://ann.example/b"),
    ],
)
def test_a_url_has_one_form(url, form):
    assert normalised(url, "https://ann.example/a/") == form
    assert normalised(form) == form


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_private_addresses_are_known_in_every_form(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_may_be_asked(address):
    assert is_public(address)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://ann.example", "https://", "http://[::1", "words"])
def test_what_is_no_address_of_the_web_is_refused(url):
    with pytest.raises(Refused, match="is not an address of the web"):
        check_address(url, allow_private=True)


def test_where_publications_list_their_pages():
    assert medium_publication("@ann", None).feed == "https://medium.com/feed/@ann"
    assert medium_publication(None, "https://medium.com/some-pub").feed == "https://medium.com/feed/some-pub"
    own = medium_publication(None, "https://ann.medium.com/")
    assert (own.feed, own.sitemap) == ("https://ann.medium.com/feed", "https://ann.medium.com/sitemap/sitemap.xml")
    assert substack_publication("ann", None).feed == "https://ann.substack.com/feed"
    assert substack_publication(None, "https://ann.example/").sitemap == "https://ann.example/sitemap.xml"


def test_which_pages_of_a_publication_are_writings():
    assert is_medium_story("https://medium.com/@ann/on-words-0123456789ab")
    assert not is_medium_story("https://medium.com/@ann/about")
    assert is_substack_post("https://ann.substack.com/p/on-words")
    assert not is_substack_post("https://ann.substack.com/p/on-words/comments")
