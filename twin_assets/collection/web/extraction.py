"""A page to a document: the writing as Markdown, and what the page says about itself. Nobody is asked."""

from collections import Counter
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from bs4 import BeautifulSoup

from twin_assets.collection.web.addresses import platform_of, web_address
from twin_assets.collection.web.answers import Failed, Refused
from twin_assets.collection.web.metadata import Metadata, metadata_of
from twin_assets.collection.web.platforms import writing_of
from twin_assets.features.html import html_to_markdown

EXTRACTION_VERSION = "1"
"""Raised when the same page gives another document: then pages are fetched whole again."""

WORDS_BESIDE_A_LOGIN = 100
"""A page with a field for a password and fewer words is a login page, whatever its address."""

MAX_DEPTH = 512
"""Elements within elements that browsers, too, go no deeper into (Blink's kMaximumHTMLParserDOMTreeDepth); the time to
read a page grows with the square of it."""


@dataclass(frozen=True)
class Page:
    """The writing on a page, and what the page says about it."""

    metadata: Metadata
    markdown: str
    platform: str


def page_of(html: str, url: str, platform: str | None = None) -> Page:
    """Return the writing on a page.

    Args:
        html: The page.
        url: Where it was found.
        platform: The platform that publishes there, if its host does not tell.

    Raises:
        Refused: If it is a login page, or only the beginning of a page that must be paid for.
        Failed: If there is no writing on it.
    """
    soup = BeautifulSoup(html, "html.parser")
    metadata = metadata_of(soup, url)
    asks_for_password = soup.find("input", attrs={"type": "password"}) is not None
    if metadata.paywalled:
        raise Refused("only its beginning is public: the rest must be paid for")
    name = platform or platform_of(metadata.url)
    _check_depth(soup)
    _make_links_absolute(soup, url)
    writing = writing_of(soup, name)
    markdown = _converted(str(writing.element))
    if asks_for_password and len(markdown.split()) < WORDS_BESIDE_A_LOGIN:
        raise Refused("it needs a login")
    if not any(character.isalnum() for character in markdown):
        raise Failed("there is no text on the page: if a browser shows some, set `javascript: true`")
    return Page(replace(metadata, subtitle=writing.subtitle or metadata.subtitle), markdown, name)


def _check_depth(soup: BeautifulSoup) -> None:
    depths = {id(soup): 0}
    for element in soup.find_all(True):
        depth = depths[id(element.parent)] + 1
        if depth > MAX_DEPTH:
            raise Failed(f"its elements are nested more than {MAX_DEPTH} deep: it may be broken on purpose")
        depths[id(element)] = depth


def _make_links_absolute(soup: BeautifulSoup, url: str) -> None:
    """Write out where links lead: apart from its page, `/about` leads nowhere. Links within the page stay."""
    base = soup.find("base", href=True)
    start = web_address(str(base["href"]), url) if base else None
    for name, attribute in (("a", "href"), ("img", "src")):
        for element in soup.find_all(name, attrs={attribute: True}):
            written = str(element[attribute]).strip()
            if written.startswith("#"):
                continue
            try:
                element[attribute] = urljoin(start or url, written)
            except ValueError:
                # What is no address leads nowhere in the original either.
                continue


def markdown_of(html: str) -> str:
    """Return the text in a feed as Markdown; code stays as it is, to the character.

    Raises:
        Failed: If its elements are nested without end.
    """
    _check_depth(BeautifulSoup(html, "html.parser"))
    return _converted(html)


def _converted(html: str) -> str:
    try:
        return html_to_markdown(html, Counter())
    except RecursionError as error:
        raise Failed("its elements are nested too deeply to be read") from error
