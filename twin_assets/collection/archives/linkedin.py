"""LinkedIn's archive ("Get a copy of your data"): `Shares.csv` and a page per article.

The structure, as seen in public code that reads such archives (Hermione-Granger-1176/linkedin-analyzer for the quoting
of shares): `Shares.csv`, also with the member's number as `Shares_1234.csv`, has the columns Date, ShareLink,
ShareCommentary, SharedUrl, MediaUrl and Visibility. `Articles/Articles/*.html` hold a heading that links to the
article, `p.created`, `p.published` and a `div` with the text. `Comments.csv`, messages and all else are not read.
"""

import re
from collections.abc import Iterator
from functools import partial
from urllib.parse import unquote

from twin_assets.collection.archives.formats import ArchiveOptions, Format, link_of_page
from twin_assets.collection.archives.reading import Archive
from twin_assets.collection.archives.values import (
    Row,
    attribute_of,
    soup_of,
    table_of,
    time_of,
    without_query,
    words_of,
)
from twin_assets.collection.links import Link
from twin_assets.documents import RawDocument, document_id_for

_COLUMNS = ("Date", "ShareLink", "ShareCommentary")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?")
_NARROW = frozenset({"CONNECTIONS", "CONTAINER"})
"""Visibilities that are not public: for connections, or within a group."""


def read(archive: Archive, members: list[str], author: str, _: ArchiveOptions) -> Iterator[Link]:
    """Yield a link for every share and every article."""
    for name in members:
        if name.endswith(".csv"):
            for number, row in enumerate(table_of(archive, name, service="LinkedIn", columns=_COLUMNS), start=2):
                yield _share(row, f"{name}, record {number}", author)
        else:
            yield link_of_page(archive, name, partial(_article, name=name, author=author))


FORMAT = Format(
    service="LinkedIn",
    members=re.compile(r"(?:[^/]+/)?(?:Shares(?:_\d+)?\.csv|Articles/(?:Articles/)?[^/]+\.html)"),
    expected="Shares.csv or Articles/*.html",
    read=read,
)


def unquote_commentary(text: str) -> str:
    r"""Return the commentary of a share as it was written.

    LinkedIn quotes it once more than CSV does: each quotation mark is doubled and each line is in quotation marks, so
    that a line break reads `"\n"`. Some exports do not; so the second quoting is undone only if it accounts for every
    quotation mark.
    """
    text = text.replace("\r\n", "\n")
    wrapped = [text[1:-1]] if len(text) > 1 and text[0] == text[-1] == '"' else []
    for candidate in [*wrapped, text]:
        joined = candidate.replace('"\n"', "\n")
        runs = [len(run) for run in re.findall('"+', joined)]
        if all(length % 2 == 0 for length in runs) and (runs or joined != candidate):
            return joined.replace('""', '"')
    return text


def _share(row: Row, place: str, author: str) -> Link:
    link = without_query(unquote(row["ShareLink"]))
    address = link or place
    text = unquote_commentary(row["ShareCommentary"]).strip()
    visibility = row.get("Visibility", "").strip().upper()
    if visibility in _NARROW:
        return Link(address=address, outcome="refused", reason=f"not public: its visibility is {visibility}")
    if not text:
        return Link(address=address, outcome="refused", reason="a repost or a picture, without words of the author")
    try:
        published_at = time_of(row["Date"])
    except ValueError:
        return Link(address=address, outcome="failed", reason=f"{place}: the date {row['Date']!r} cannot be read")
    document = RawDocument(
        document_id=document_id_for(link or f"linkedin:{row['Date']} {text[:80]}"),
        author=author,
        category="posts",
        platform="linkedin",
        url=link or None,
        published_at=published_at,
        media_type="text/plain",
        text=text,
        source="linkedin",
    )
    return Link(address=address, document=document)


def _article(html: str, name: str, author: str) -> Link:
    soup = soup_of(html)
    heading = soup.select_one("h1")
    body = soup.select_one("body > div")
    if heading is None or body is None:
        return Link(
            address=name,
            outcome="failed",
            reason="expected a heading and a div with the article, found no such page",
        )
    url = attribute_of(heading.select_one("a[href]"), "href")
    address = without_query(url) if url else name
    published = _DATE.search(words_of(soup.select_one("p.published")) or "")
    if not published:
        return Link(address=address, outcome="refused", reason="a draft: it was never published")
    try:
        published_at = time_of(published[0])
    except ValueError:
        return Link(address=address, outcome="failed", reason=f"there is no date {published[0]}")
    document = RawDocument(
        document_id=document_id_for(address if url else f"linkedin:{name.rpartition('/')[2]}"),
        author=author,
        category="articles",
        platform="linkedin",
        url=address if url else None,
        title=words_of(heading),
        published_at=published_at,
        media_type="text/html",
        text=str(body),
        source="linkedin",
    )
    return Link(address=address, document=document)
