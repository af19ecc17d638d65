"""Substack's archive (Settings, "Export your data"): `posts.csv` and a page of HTML per post.

The structure, as in Ghost's migration tools (TryGhost/migrate, mg-substack): `posts.csv` with the columns post_id,
post_date, is_published, email_sent_at, inbox_sent_at, type, audience, title, subtitle and podcast_url, where `post_id`
is `1234.the-slug`; and `posts/1234.the-slug.html`. No address stands in it; with the option `site` it is made of the
slug, as Substack does.
"""

import re
from collections.abc import Iterator
from functools import partial

from twin_assets.collection.archives.formats import ArchiveOptions, Format, link_of_page, unknown_structure
from twin_assets.collection.archives.reading import Archive
from twin_assets.collection.archives.values import Row, soup_of, table_of, time_of, words_of
from twin_assets.collection.links import Link
from twin_assets.documents import RawDocument, document_id_for

_COLUMNS = ("post_id", "post_date", "is_published", "type", "title")


def read(archive: Archive, members: list[str], author: str, options: ArchiveOptions) -> Iterator[Link]:
    """Yield a link for every row of `posts.csv`, and for every page that no row names."""
    table = next((name for name in members if name.endswith("posts.csv")), None)
    if table is None:
        raise unknown_structure(archive.path, "Substack", expected="posts.csv", found=", ".join(members[:5]))
    pages = {name.rpartition("/")[2].removesuffix(".html"): name for name in members if name.endswith(".html")}
    for row in table_of(archive, table, service="Substack", columns=_COLUMNS):
        name = pages.pop(row["post_id"], None)
        read_page = partial(_post, row=row, author=author, site=options.site)
        yield link_of_page(archive, name, read_page) if name else read_page("")
    for name in pages.values():
        yield Link(address=name, outcome="failed", reason="posts.csv does not name it: download the export again")


FORMAT = Format(
    service="Substack",
    members=re.compile(r"(?:[^/]+/)?(?:posts\.csv|posts/[^/]+\.html)"),
    expected="posts.csv and posts/*.html",
    read=read,
    takes_site=True,
)


def _post(html: str, row: Row, author: str, site: str | None) -> Link:
    number, _, slug = row["post_id"].partition(".")
    url = f"{site.rstrip('/')}/p/{slug}" if site and slug else None
    address = url or f"posts/{row['post_id']}.html"
    if row["is_published"].strip().lower() != "true":
        return Link(address=address, outcome="refused", reason="a draft: it was never published")
    if not words_of(soup_of(html)):
        kind = row["type"].strip() or "post"
        return Link(address=address, outcome="refused", reason=f"a {kind} without text")
    try:
        published_at = time_of(row["post_date"])
    except ValueError:
        return Link(address=address, outcome="failed", reason=f"its date {row['post_date']!r} cannot be read")
    document = RawDocument(
        document_id=document_id_for(url or f"substack:{number}"),
        author=author,
        category="articles",
        platform="substack",
        url=url,
        title=row["title"].strip() or None,
        subtitle=row.get("subtitle", "").strip() or None,
        published_at=published_at,
        media_type="text/html",
        text=html,
        source="substack-export",
    )
    return Link(address=address, document=document)
