"""Letters: what only looks like plain text becomes plain text, and what cannot be seen goes.

Social networks know no bold text, so people write it with the mathematical alphabets of Unicode. A tokenizer, a search
and a screen reader see other characters than the letters that were meant. Only these alphabets are changed: NFKC on a
whole text would also turn "x²" into "x2" and "…" into "...".
"""

import re
import unicodedata

_MATHEMATICAL = "\U0001d400-\U0001d7ff"
_LETTERLIKE = "\u2102\u210a-\u2113\u2115\u2119-\u211d\u2124\u2128\u212c\u212d\u212f-\u2131\u2133\u2134\u2139"
"""Letters for which the mathematical alphabets have a hole, because they were encoded before."""

_ENCLOSED = "\u24b6-\u24e9\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189"
"""Circled and squared letters, on white and on black ground."""

_ALPHABETS = re.compile(
    f"[{_MATHEMATICAL}{_LETTERLIKE}]*[{_MATHEMATICAL}][{_MATHEMATICAL}{_LETTERLIKE}]*|[{_ENCLOSED}]{{2,}}"
)
"""A letterlike symbol alone is meant, as in formulas, and so is one enclosed letter: a blood group, a car park."""

_ON_BLACK = {0x1F150: 26, 0x1F170: 26}
"""First character and length of the enclosed alphabets to which Unicode gives no plain form."""

_JOINING = "\u0590-\u1fff\u2190-\u2bff\ufb1d-\ufdff\ufe0f\ufe70-\ufefc\U00010a00-\U00011fff\U0001f000-\U0001faff"
_INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b\u2060-\u2064\ufeff\ue000-\uf8ff]"
    f"|(?<![{_JOINING}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINING}])"
)
"""Soft hyphens, zero-width spaces and joiners, and the private characters of icon fonts.

A joiner between two emoji makes them one, and in Persian or Hindi it decides how letters are drawn: there it stays.
"""


def plain_letters(text: str) -> str:
    """Return a text with the letters and digits of mathematical and enclosed alphabets as plain ones."""
    return _ALPHABETS.sub(lambda match: "".join(map(_plain, match.group())), text)


def without_invisible(text: str) -> str:
    """Return a text without the characters that nobody sees, but for joiners that shape what is seen."""
    return _INVISIBLE.sub("", text)


def _plain(character: str) -> str:
    for first, length in _ON_BLACK.items():
        if first <= ord(character) < first + length:
            return chr(ord("A") + ord(character) - first)
    return unicodedata.normalize("NFKC", character)
