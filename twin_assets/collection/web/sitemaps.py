"""Sitemaps: the pages of a site as it lists them itself (sitemaps.org, protocol 0.9)."""

import zlib
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from twin_assets.collection.web.answers import Failed

MAX_BYTES = 52_428_800
"""The longest sitemap, unpacked, that the protocol allows."""

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Sitemap:
    """What one sitemap lists."""

    pages: tuple[str, ...]
    sitemaps: tuple[str, ...]
    """Other sitemaps, if it is an index of them."""


def parse_sitemap(body: bytes) -> Sitemap:
    """Return what a sitemap lists: XML, packed or not, or one address per line.

    Raises:
        Failed: If it is no sitemap.
    """
    unpacked = _unpacked(body)
    if not unpacked.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _parse_lines(unpacked)
    try:
        root = fromstring(unpacked)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise Failed(f"it is no valid sitemap ({error})") from error
    kind = _local_name(root.tag)
    if kind not in {"urlset", "sitemapindex"}:
        raise Failed(f"it is no sitemap, but a document of the kind <{kind}>")
    found = tuple(
        place.text.strip()
        for entry in root
        for place in entry
        if _local_name(place.tag) == "loc" and place.text and place.text.strip()
    )
    return Sitemap(pages=found, sitemaps=()) if kind == "urlset" else Sitemap(pages=(), sitemaps=found)


def _parse_lines(text: bytes) -> Sitemap:
    lines = tuple(line.strip() for line in text.decode("utf-8", errors="replace").splitlines() if line.strip())
    if not lines or not all(line.startswith(("http://", "https://")) for line in lines):
        raise Failed("it is no sitemap: neither XML nor one address per line")
    return Sitemap(pages=lines, sitemaps=())


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(GZIP_MAGIC):
        return body
    # 16 more than the largest window means gzip, to zlib.
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise Failed("the packed sitemap is damaged") from error
    if len(unpacked) > MAX_BYTES:
        raise Failed(f"the sitemap is longer than {MAX_BYTES:,} bytes, which the protocol allows")
    if not unpacker.eof:
        raise Failed("the packed sitemap is damaged")
    return unpacked


def _local_name(tag: str) -> str:
    return tag.rpartition("}")[2]
