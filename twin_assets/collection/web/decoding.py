"""Bytes to text: a page in the encoding that it says, or in the one that it has."""

import logging

from bs4.dammit import EncodingDetector, UnicodeDammit

from twin_assets.collection.web.answers import Answer

MAX_BROKEN_SHARE = 0.01
"""Up to this share of unreadable characters, a page is taken to have the encoding that it says, with some damage.

Cutting a page in the middle of a character, or pasting one sentence of another encoding, breaks far fewer; a wrong
encoding breaks every letter that is not ASCII.
"""

REPLACEMENT = "\ufffd"

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
        except (UnicodeDecodeError, LookupError):
            continue
    text = body.decode("utf-8", errors="replace")
    broken = text.count(REPLACEMENT)
    if broken > MAX_BROKEN_SHARE * len(text):
        # windows-1252 is what browsers assume of a page that is nothing else; it always yields a text.
        guessed = UnicodeDammit(body, override_encodings=[], user_encodings=["windows-1252"]).unicode_markup
        text = guessed or text
        broken = text.count(REPLACEMENT)
    _log.warning("%s is not the %s that it says; %d characters cannot be read", answer.url, declared or "UTF-8", broken)
    return text


def _declared(answer: Answer) -> str | None:
    for part in answer.headers.get("content-type", "").split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"' ") or None
    return EncodingDetector.find_declared_encoding(answer.body, is_html=True, search_entire_document=False)
