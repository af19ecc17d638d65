"""Values as they stand in export archives: tables, times, addresses and HTML."""

import csv
import io
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

from bs4 import BeautifulSoup, Tag

from twin_assets.collection.archives.formats import unknown_structure
from twin_assets.collection.archives.reading import MAX_MEMBER_BYTES, Archive, text_of

Row = dict[str, str]


def table_of(archive: Archive, name: str, *, service: str, columns: Collection[str]) -> list[Row]:
    """Return the rows of a CSV member; an empty cell is an empty text.

    Raises:
        UserError: If it lacks one of the columns, or is no CSV.
    """
    # The csv module refuses cells longer than 128 kB; an article in a cell is longer.
    csv.field_size_limit(MAX_MEMBER_BYTES)
    reader = csv.reader(io.StringIO(text_of(archive, name), newline=""))
    header: Sequence[str] = [cell.strip() for cell in next(reader, [])]
    if missing := [column for column in columns if column not in header]:
        raise unknown_structure(
            archive.path,
            service,
            expected=f"the columns {', '.join(columns)} in {name}",
            found=f"no {missing[0]} among {', '.join(header) or 'no columns at all'}",
        )
    return [dict(zip(header, [*row, *[""] * (len(header) - len(row))], strict=False)) for row in reader if any(row)]


def time_of(written: str | None) -> datetime | None:
    """Return a time in ISO 8601, or as `2026-01-31 10:00:00 UTC`, in UTC; None if there is none.

    Raises:
        ValueError: If it is of another form.
    """
    if not written or not written.strip():
        return None
    time = datetime.fromisoformat(written.strip().removesuffix(" UTC"))
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def without_query(url: str) -> str:
    """Return an address without what only says where the reader came from."""
    parts = urlsplit(url.strip())
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def soup_of(html: str) -> BeautifulSoup:
    """Return parsed HTML."""
    return BeautifulSoup(html, "html.parser")


def words_of(tag: Tag | None) -> str | None:
    """Return the text of an element on one line; None if there is no element, or no text."""
    return (" ".join(tag.get_text(" ").split()) or None) if tag else None


def attribute_of(tag: Tag | None, name: str) -> str | None:
    """Return an attribute of an element; None if there is none."""
    value = tag.get(name) if tag else None
    return str(value) if value else None
