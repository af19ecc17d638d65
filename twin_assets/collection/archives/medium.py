"""Medium's archive ("Download your information"): one page per story, with the classes of the h-entry microformat.

The structure, as in the fixtures of Ghost's migration tools (TryGhost/migrate, mg-medium-export): `posts/*.html` with
`.p-name`, `.p-summary`, `section[data-field=body]`, `time.dt-published` and `a.p-canonical`; drafts are called
`draft_*.html`. Nothing marks a response, an answer below somebody's story; but it has no title of its own, so Medium
puts its first words in that place.
"""

import re
from collections.abc import Iterator
from functools import partial

from bs4 import Tag

from twin_assets.collection.archives.formats import ArchiveOptions, Format, link_of_page
from twin_assets.collection.archives.reading import Archive
from twin_assets.collection.archives.values import attribute_of, soup_of, time_of, without_query, words_of
from twin_assets.collection.links import Link
from twin_assets.documents import RawDocument, document_id_for


def read(archive: Archive, members: list[str], author: str, _: ArchiveOptions) -> Iterator[Link]:
    """Yield a link for every story and every response."""
    for name in members:
        yield link_of_page(archive, name, partial(_story, name=name, author=author))


FORMAT = Format(
    service="Medium",
    members=re.compile(r"(?:[^/]+/)?posts/[^/]+\.html"),
    expected="posts/*.html",
    read=read,
)


def _story(html: str, name: str, author: str) -> Link:
    file = name.rpartition("/")[2]
    if file.startswith("draft"):
        return Link(address=name, outcome="refused", reason="a draft: it was never published")
    soup = soup_of(html)
    body = soup.select_one("section[data-field=body]")
    if body is None:
        return Link(
            address=name,
            outcome="failed",
            reason="no export of Medium as it is known here: expected a section with data-field=body, found none",
        )
    canonical = attribute_of(soup.select_one("a.p-canonical"), "href")
    url = without_query(canonical) if canonical else None
    if not words_of(body):
        return Link(address=url or name, outcome="refused", reason="it holds no words")
    try:
        published_at = time_of(attribute_of(soup.select_one("time.dt-published"), "datetime"))
    except ValueError:
        return Link(address=url or name, outcome="failed", reason="its time of publication cannot be read")
    title = words_of(soup.select_one(".p-name"))
    answers = _is_response(body, title)
    document = RawDocument(
        document_id=document_id_for(url or f"medium:{_native_id(file)}"),
        author=author,
        category="posts" if answers else "articles",
        platform="medium",
        url=url,
        title=None if answers else title,
        subtitle=None if answers else words_of(soup.select_one(".p-summary")),
        published_at=published_at,
        relation="reply" if answers else "original",
        media_type="text/html",
        text=str(body),
        source="medium-export",
    )
    return Link(address=url or name, document=document)


def _is_response(body: Tag, title: str | None) -> bool:
    if body.select_one(".graf--title"):
        return False
    opening = (title or "").rstrip(" .\u2026")
    return not opening or (words_of(body) or "").startswith(opening)


def _native_id(file: str) -> str:
    """Return the id of a story, which ends the name of its file."""
    return file.removesuffix(".html").rpartition("-")[2]
