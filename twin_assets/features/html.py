"""HTML to Markdown: the article of a page, without the elements that belong to the site.

Only what HTML itself says is used here (elements, roles, class names); phrases are judged later, in `furniture`.
"""

import re
from collections import Counter
from typing import Any

from bs4 import BeautifulSoup, Comment, Tag
from markdownify import MarkdownConverter

from twin_assets.features import furniture
from twin_assets.features.blocks import fence

_ELEMENTS: dict[str, str] = {
    "nav": furniture.NAVIGATION,
    "footer": furniture.FOOTER,
    "form": furniture.SUBSCRIBE,
    "button": furniture.SUBSCRIBE,
    "dialog": furniture.COOKIES,
    **dict.fromkeys(
        ("script", "style", "noscript", "template", "iframe", "object", "head", "input", "select"), "script"
    ),
    **dict.fromkeys(("img", "svg", "picture", "video", "audio", "canvas"), furniture.IMAGE),
}
_ROLES = {"navigation": furniture.NAVIGATION, "contentinfo": furniture.FOOTER, "search": furniture.NAVIGATION}

_CLASSES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (furniture.COOKIES, re.compile(r"(?:^|[-_ ])(?:cookies?|gdpr|consent)(?:$|[-_ ])", re.IGNORECASE)),
    (
        furniture.SUBSCRIBE,
        re.compile(r"(?:^|[-_ ])(?:subscri(?:be|ption)|newsletter|share|sharing|social)(?:$|[-_ ])", re.I),
    ),
    (furniture.COMMENTS, re.compile(r"(?:^|[-_ ])comments?(?:$|[-_ ])", re.IGNORECASE)),
    (
        furniture.NAVIGATION,
        re.compile(r"(?:^|[-_ ])(?:breadcrumbs?|menu|sidebar|pagination|skip-link)(?:$|[-_ ])", re.I),
    ),
    (
        furniture.BYLINE,
        re.compile(r"(?:^|[-_ ])(?:byline|post-meta|author-(?:box|bio|info))(?:$|[-_ ])", re.IGNORECASE),
    ),
)

_KNOWN = re.compile(
    r"<!--|<!doctype|</?(?:a|article|aside|b|blockquote|body|br|center|code|dd|details|dialog|div|dl|dt|em|figcaption"
    r"|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|kbd|li|link|main|meta|nav|ol|p|picture|pre"
    r"|script|section|small|source|span|strong|style|sub|summary|sup|svg|table|tbody|td|th|thead|tr|u|ul|video)\b",
    re.IGNORECASE,
)

CLASS_SHARE = 0.25
"""An element is dropped for its class name only if it holds at most this share of the page's text.

Class names are a site's private matter: a page whose whole body is called "share-layout" must not vanish.
"""

MAIN_SHARE = 0.3
"""The `article` or `main` element is taken for the document if it holds at least this share of the page's text."""


class _Converter(MarkdownConverter):
    """markdownify, with code kept to the character."""

    def convert_pre(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Fence the text of the element as a browser shows it; HTML drops one line break after the start tag."""
        code = el.get_text().removeprefix("\n")
        return f"\n\n{fence(code, code_language(el))}\n\n" if code.strip() else ""


def is_html(text: str) -> bool:
    """Whether angle brackets in a Markdown text are HTML, and not a placeholder such as `<your-token>`."""
    return _KNOWN.search(text) is not None


def html_to_markdown(html: str, dropped: Counter[str]) -> str:
    """Return the document of an HTML page, or a fragment of HTML, as Markdown.

    Args:
        html: A page or a fragment.
        dropped: Characters of visible text removed are counted here, by reason.
    """
    # Soft line breaks in HTML are spaces, save in preformatted text; `wrap` without a width makes markdownify agree.
    options: dict[str, Any] = {"heading_style": "ATX", "bullets": "-", "wrap": True, "wrap_width": None}
    # Not Python's own parser: to it, a paragraph whose end tag is omitted, as HTML allows, holds all that follow.
    soup = BeautifulSoup(html, "lxml")
    for remark in soup.find_all(string=lambda string: isinstance(string, Comment)):
        remark.extract()
    drop_elements(soup, dropped)
    main = main_element(soup)
    outside = len(_text(soup)) - len(_text(main))
    if outside:
        dropped[furniture.NAVIGATION] += outside
    return str(_Converter(escape_asterisks=False, escape_underscores=False, **options).convert_soup(main)).strip("\n")


def drop_elements(soup: BeautifulSoup, dropped: Counter[str]) -> None:
    """Remove the elements that belong to the site, by name, role or class."""
    whole = max(1, len(_text(soup)))
    for element in soup.find_all(True):
        if element.decomposed or element.find_parent("pre"):
            continue
        reason = _reason(element, whole)
        if reason:
            if reason != "script":
                dropped[reason] += len(_text(element))
            element.decompose()


def main_element(soup: BeautifulSoup) -> Tag:
    """Return the element that holds the document: the longest article, else main, else everything."""
    whole = max(1, len(_text(soup)))
    for selector in ("article", "main, [role=main]", "body"):
        found = max(soup.select(selector), key=lambda element: len(_text(element)), default=None)
        if found is not None and len(_text(found)) >= MAIN_SHARE * whole:
            return found
    return soup


def code_language(pre: Tag) -> str:
    """Return the language of a `pre` element, as its class or that of its `code` says it, or an empty string."""
    for element in (pre, *pre.find_all("code")):
        for name in element.get_attribute_list("class"):
            match = re.fullmatch(r"(?:language|lang|highlight-source|brush:?)-?(\w[\w+#-]*)", str(name or ""))
            if match:
                return match.group(1)
    return ""


def _reason(element: Tag, whole: int) -> str | None:
    if element.name in _ELEMENTS:
        return _ELEMENTS[element.name]
    if element.name == "header" and not element.find(re.compile(r"^h[1-6]$")):
        return furniture.NAVIGATION
    role = str(element.get("role") or "")
    if role in _ROLES:
        return _ROLES[role]
    names = " ".join(
        [*(str(name) for name in element.get_attribute_list("class") if name), str(element.get("id") or "")]
    )
    if names.strip() and element.name not in ("html", "body", "main", "article"):
        for reason, pattern in _CLASSES:
            if pattern.search(names) and len(_text(element)) <= CLASS_SHARE * whole:
                return reason
    return None


def _text(element: Tag) -> str:
    return " ".join(element.get_text(" ").split())
