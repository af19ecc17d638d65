"""Bytes to text: a page in the encoding that it says, or in the one that it has."""

import codecs
import logging

from bs4.dammit import EncodingDetector

from twin_assets.collection.web.answers import Answer

MAX_BROKEN_SHARE = 0.01
"""Up to this share of unreadable characters, a page is taken to have the encoding that it says, with some damage.

Cutting a page in the middle of a character, or pasting one sentence of another encoding, breaks far fewer; a wrong
encoding breaks every letter that is not ASCII.
"""

REPLACEMENT = "\ufffd"

WEB_CODECS = frozenset(
    {
        "ascii", "big5", "big5hkscs", "euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "iso2022_jp", "koi8-r", "koi8-u",
        "mac-cyrillic", "mac-roman", "shift_jis", "tis-620", "utf-8", "utf-16", "utf-16-be", "utf-16-le",
        *(f"cp{page}" for page in (866, 874, 932, 949, *range(1250, 1259))),
        *(f"iso8859-{part}" for part in range(1, 17)),
    }
)  # fmt: skip
"""Python's codecs for the encodings of the web (WHATWG, "Encoding"). Of the others, some are no encodings of text, and
one takes a time that grows with the square of the length."""

_log = logging.getLogger(__name__)


def text_of(answer: Answer) -> str:
    """Return the text of an answer.

    The HTTP header counts before the page's own declaration (WHATWG, "Encoding sniffing"), and UTF-8 where the text is
    valid UTF-8, whatever was declared.
    """
    body = answer.body.removeprefix(b"\xef\xbb\xbf")
    declared = _declared(answer)
    for encoding in dict.fromkeys((declared or "utf-8", "utf-8")):
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    text = body.decode("utf-8", errors="replace")
    broken = text.count(REPLACEMENT)
    if broken > MAX_BROKEN_SHARE * len(text):
        # windows-1252 is what browsers assume of a page that is nothing else; it always yields a text.
        text = body.decode("windows-1252", errors="replace")
        broken = text.count(REPLACEMENT)
    _log.warning("%s is not the %s that it says; %d characters cannot be read", answer.url, declared or "UTF-8", broken)
    return text


def _declared(answer: Answer) -> str | None:
    for part in answer.headers.get("content-type", "").split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return _codec(value.strip("\"' "))
    return _codec(EncodingDetector.find_declared_encoding(answer.body, is_html=True, search_entire_document=False))


def _codec(declared: str | None) -> str | None:
    """Return Python's name of a declared encoding; None if it is none of the web."""
    try:
        name = codecs.lookup(declared or "").name
    except (LookupError, ValueError):
        return None
    return name if name in WEB_CODECS else None
