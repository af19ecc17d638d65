"""Contractions: whether cleaning took the apostrophe out of one ("don t").

An author may write such a pair themselves ("for which n can t be negative?", a list of stop words), so what counts is
what the clean text has and the collected one has not.
"""

import html
import re
from collections import Counter

from twin_assets.documents import CleanedDocument, RawDocument
from twin_assets.features.blocks import parse_blocks
from twin_assets.features.lettering import plain_letters

_BROKEN = re.compile(r"\b(?:don|can|won|isn|doesn|didn|aren|couldn|wouldn) t\b")
_INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)


def broken_by_cleaning(collected: RawDocument | None, cleaned: CleanedDocument) -> list[str]:
    """Return the broken contractions that stand in the prose of a clean text oftener than in what was collected.

    Args:
        collected: The document as it was collected; None if it is no longer there.
        cleaned: The same document, cleaned.
    """
    if not _BROKEN.search(cleaned.text):
        return []
    prose = (block.text for block in parse_blocks(cleaned.text) if block.kind != "code")
    found = Counter(form for text in prose for form in _BROKEN.findall(_INLINE_CODE.sub("`", text)))
    return sorted(found - _written(collected)) if collected else sorted(found)


def _written(document: RawDocument) -> Counter[str]:
    """Count the forms in all that was collected, code too: where code begins may have been judged differently."""
    texts = [document.text or "", *(document.files or {}).values()]
    return Counter(form for text in texts for form in _BROKEN.findall(_as_read(text)))


def _as_read(text: str) -> str:
    """Return a text without tags, with plain letters and single spaces, for cleaning joins lines and unescapes."""
    return " ".join(plain_letters(html.unescape(_TAG.sub("", text))).split())
