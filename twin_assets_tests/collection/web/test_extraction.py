"""A page to a document: code to the character, structure, metadata wherever the page gives it, broken encodings."""

import pytest
from bs4 import BeautifulSoup

from twin_assets.collection.web.answers import Answer, Failed, Refused
from twin_assets.collection.web.decoding import text_of
from twin_assets.collection.web.extraction import page_of
from twin_assets.collection.web.metadata import language_of, metadata_of, time_of

URL = "https://ann.example/blog/one"
CODE = 'def f(x):\n\treturn  x * 2  # don\'t\n\n\n    y = "<b>&amp;"   \n```\n'


def said(head="", body="", **html):
    attributes = "".join(f' {name}="{value}"' for name, value in html.items())
    return metadata_of(
        BeautifulSoup(f"<html{attributes}><head>{head}</head><body>{body}</body></html>", "html.parser"), URL
    )


def test_code_headings_lists_tables_and_links_are_kept():
    escaped = CODE.replace("&", "&amp;").replace("<", "&lt;")
    html = (
        "<html><body><nav>Menu</nav><article><h1>One</h1><h2>Part <em>two</em></h2><p>I don't, <b>really</b>, see "
        f'<a href="https://ann.example/x">why</a>.</p><pre><code class="language-python">{escaped}</code></pre>'
        "<ul><li>a<ul><li>b</li></ul></li></ul><ol><li>c</li><li>d</li></ol><table><tr><th>k</th><th>v</th></tr>"
        "<tr><td>1</td><td>2</td></tr></table></article></body></html>"
    )
    text = page_of(html, URL).markdown
    assert CODE in text
    assert "````python\n" in text
    assert "## Part *two*" in text
    assert "I don't, **really**, see [why](https://ann.example/x)." in text
    assert "- a\n  - b" in text
    assert "1. c\n2. d" in text
    assert "| k | v |\n| --- | --- |\n| 1 | 2 |" in text
    assert "Menu" not in text


def test_links_are_written_out_and_links_within_the_page_stay():
    links = '<p>See <a href="/x">x</a>, <a href="y?a=1">y</a>, <a href="#z">z</a> and <a href="http://[bad">w</a>.</p>'
    text = page_of(f"<article>{links}</article>", URL).markdown
    assert "See [x](https://ann.example/x), [y](https://ann.example/blog/y?a=1), [z](#z) and [w](http://[bad)." in text
    based = page_of(f'<head><base href="https://b.example/c/"></head><article>{links}</article>', URL).markdown
    assert "[y](https://b.example/c/y?a=1)" in based


def test_a_page_that_is_nested_without_end_is_said():
    with pytest.raises(Failed, match="nested more than 512 deep"):
        page_of("<article><p>word</p>" + "<div>" * 20_000 + "deep", URL)
    with pytest.raises(Failed, match="nested too deeply"):
        page_of("<article><p>word</p>" + "<div>" * 500 + "deep", URL)


def test_metadata_is_read_from_open_graph():
    page = said(
        '<title>One | Ann</title><meta property="og:title" content="One"><meta property="og:description" content="Why">'
        '<meta property="article:published_time" content="2024-03-01"><meta property="og:locale" content="de_AT">'
        '<meta property="article:modified_time" content="2024-03-02T00:00:00Z">'
    )
    assert (page.title, page.subtitle, page.language) == ("One", "Why", "de")
    assert (str(page.published_at), str(page.updated_at)) == ("2024-03-01 00:00:00+00:00", "2024-03-02 00:00:00+00:00")


def test_metadata_is_read_from_json_ld_among_other_entries():
    page = said(
        '<script type="application/ld+json">{broken</script><script type="application/ld+json">{"@graph": [{"@type": '
        '"Person", "datePublished": "1999-01-01"}, {"@type": ["BlogPosting"], "headline": "One", "datePublished": '
        '"2024-03-01T10:00:00+02:00", "dateModified": "2024-03-02", "inLanguage": "en-GB"}]}</script>'
    )
    assert (page.title, page.language) == ("One", "en")
    assert str(page.published_at) == "2024-03-01 08:00:00+00:00"
    assert str(page.updated_at) == "2024-03-02 00:00:00+00:00"


def test_metadata_is_read_from_plain_html():
    page = said(
        "<title>One</title>",
        "<time datetime='1999-01-01'>x</time><article><time datetime='2024-03-01'>x</time></article>",
        lang="fr-CA",
    )
    assert (page.title, page.language, str(page.published_at)) == ("One", "fr", "2024-03-01 00:00:00+00:00")


@pytest.mark.parametrize(
    ("canonical", "url"),
    [
        ("/blog/one?utm_source=x", "https://ann.example/blog/one"),
        ("https://other.example/one", "https://other.example/one"),
        ("https://ann.example/", URL),
        ("javascript:void(0)", URL),
        ("https://[ann", URL),
        ("", URL),
    ],
)
def test_the_canonical_address_is_the_one_that_the_page_names_if_it_can_be_one(canonical, url):
    assert said(f'<link rel="canonical" href="{canonical}">').url == url


@pytest.mark.parametrize("written", ["", "soon", "2024", "13/13/2024", "0000-00-00", None])
def test_what_is_no_time_is_none(written):
    assert time_of(written) is None


def test_a_language_is_two_letters():
    assert [language_of(tag) for tag in ("en", "en-GB", "PT_br", "eng", "x", "", None)] == ["en", "en", "pt"] + [
        None
    ] * 4


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("Käse".encode(), "text/html; charset=utf-8", "Käse"),
        ("Käse".encode("latin-1"), "text/html; charset=ISO-8859-1", "Käse"),
        ("<meta charset=windows-1252>“Käse”".encode("cp1252"), "text/html", "<meta charset=windows-1252>“Käse”"),
        ("Käse".encode(), "text/html; charset=nonsense", "Käse"),
        ("Käse".encode(), "text/html; charset=ascii", "Käse"),
        ("“Käse”".encode("cp1252"), "text/html; charset=utf-8", "“Käse”"),
        (b"\xef\xbb\xbfK", "text/html", "K"),
        (rb"\u004b", "text/html; charset=unicode_escape", r"\u004b"),
        (b"K-", "text/html; charset=punycode", "K-"),
        ("“Käse”".encode("cp1252"), "text/html; charset=Windows-1252", "“Käse”"),
    ],
)
def test_a_page_is_read_in_the_encoding_that_it_has(body, content_type, text):
    assert text_of(Answer(URL, 200, {"content-type": content_type}, body)) == text


def test_a_page_with_a_little_damage_keeps_the_rest_and_says_so(caplog):
    body = ("Käse und Brot. " * 50).encode() + b"\xc3"
    text = text_of(Answer(URL, 200, {"content-type": "text/html; charset=utf-8"}, body))
    assert text == "Käse und Brot. " * 50 + "\ufffd"
    assert f"{URL} is not the utf-8 that it says; 1 characters cannot be read" in caplog.text


def test_a_page_without_words_is_said_to_need_a_browser_perhaps():
    with pytest.raises(Failed, match="if a browser shows some, set `javascript: true`"):
        page_of("<html><body><div id=app></div></body></html>", URL)


def test_a_page_with_a_login_beside_its_text_is_no_login_page():
    form = "<form><input type=password></form>"
    assert page_of(f"<article><p>{'word ' * 200}</p></article>{form}", URL).markdown
    with pytest.raises(Refused, match="it needs a login"):
        page_of(f"<article><p>Please log in.</p>{form}</article>", URL)
