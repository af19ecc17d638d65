"""The inside of a line: what converters and sites leave between the author's words, outside code.

Images, link addresses, icon remnants and invisible characters go; fake bold and italic letters become letters; the
emphasis that a converter glued to its neighbours is set right. Code spans are put aside first and come back untouched.
Whole blocks are judged in `furniture`.
"""

import html
import re
from collections import Counter
from functools import lru_cache

from markdown_it.common.utils import normalizeReference

from twin_assets.features.blocks import Surroundings
from twin_assets.features.lettering import plain_letters, without_invisible

_CODE = re.compile(r"(?<![`\\])(`+)(?!`)(.+?)(?<!`)\1(?!`)|<code>(.*?)</code>", re.DOTALL)
_PARKED = re.compile("\ue000([0-9]+)\ue001")
_NARROW_SPACE = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")

_LABEL = r"((?:[^\[\]]|\[[^\[\]]*\])*)"
_ADDRESS = r"\(\s*(?:<[^<>\n]*>|[^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"
_IMAGE = re.compile(rf"!\[{_LABEL}\]{_ADDRESS}")
_LINK = re.compile(rf"(?<!\\)\[{_LABEL}\]{_ADDRESS}")
_REFERENCE = re.compile(rf"(?<!\\)(!?)\[{_LABEL}\]\[([^\[\]]*)\]")
_WRITTEN_OUT = re.compile(r"(?:https?://|www\.)\S+|(?:[\w-]+\.)+[a-z]{2,}/\S*(?:…|\.\.\.)", re.IGNORECASE)
_TARGET = re.compile(r"\(\s*<?([^\s<>]+?)>?(?:\s.*)?\s*\)", re.DOTALL)
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]+)>")

_TAG = re.compile(
    r"<!--.*?-->|</?(?:a|abbr|b|big|center|cite|del|details|div|em|figure|font|i|img|ins|kbd|mark|p|picture|s|samp|small"
    r"|source|span|strong|sub|summary|sup|u|video)(?:\s[^<>]*)?/?>",
    re.IGNORECASE | re.DOTALL,
)
_BREAK = re.compile(r"[ \t]*<br\s*/?>[ \t]*\n?", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d+|#x[0-9a-f]+|[a-z][a-z0-9]*);", re.IGNORECASE)

_ICON = re.compile(r"(?<!\S)__(?!\S)")
_GLUED_ICON = re.compile(r"^__(?=\w)|(?<=\S)__$")
_ESCAPED_LIST = re.compile(r"\\(?=[-+]\s)|(?<=\d)\\(?=[.)]\s)")
"""What converters escape at the beginning of a text node, lest it be taken for a list; anything else may be LaTeX."""

_LINE_MARK = re.compile(r"(?m)^[\s>]*(?:#{1,6}(?=\s|$)|[-*+](?=\s|$)|\d+[.)](?=\s))?")
_INLINE_MARK = re.compile(r"\*\*|`|(?<!\w)_+|_+(?!\w)|(?<!\w)\*|\*(?!\w)|\\(?=\W)")
_BOLD = re.compile(r"\*\*")
_SPACE_AFTER_MARK = re.compile(r"(?<=[\w)”\"\u2019*])(\*\*|_) (?=[,.;:!?)”\]](?:\s|$|\*))")


def tidy_inline(text: str, around: Surroundings, dropped: Counter[str]) -> str:
    """Return one paragraph, heading or table row without what is not the author's.

    A link is reduced to its text: the address is no part of the author's language, and would take room in a passage
    that its words need. An address that the author wrote out in the text stays, in full where a site shortened it.

    Args:
        text: Inline Markdown.
        around: What is known about the text it stands in.
        dropped: Characters removed are counted here, by reason.
    """
    parked: list[str] = []
    text = _park_code(text, parked)
    text = _NARROW_SPACE.sub(" ", text)
    text = plain_letters(text)
    text = _resolve_links(text, around.references, dropped)
    text = _count(text, _TAG.sub("", _BREAK.sub("\n", text)), dropped, "markup")
    text = _AUTOLINK.sub(r"\1", text)
    text = _ENTITY.sub(_unescape, text)
    without = _ICON.sub("", text)
    # An icon of a font that was not loaded; a pair of marks would be bold text or a dunder name.
    without = _GLUED_ICON.sub("", without) if without.count("__") == 1 else without
    text = _count(text, without, dropped, "image remnant")
    if around.hard_wrapped:
        text = repair_emphasis(text)
    text = _ESCAPED_LIST.sub("", text)
    text = "\n".join(line.rstrip() for line in text.strip().split("\n"))
    return _PARKED.sub(lambda match: parked[int(match.group(1))], text)


def repair_emphasis(text: str) -> str:
    """Set right how html2text writes bold and italic.

    It drops the space before an opening mark ("will**jump** to"), adds one before punctuation ("**Rank** , which"),
    leaves empty pairs, and puts spaces inside the marks. The marks of a paragraph open and close in turn; where
    they do not pair up, nothing is changed. A single bold letter inside a word is meant ("**L**ow-**R**ank").
    """
    text = re.sub(r"(?<=\S)\*{4}(?=\S)", " ", text).replace("****", "")
    parts = _BOLD.split(text)
    if len(parts) % 2 == 1:
        text = parts[0]
        for bold, after in zip(parts[1::2], parts[2::2], strict=True):
            if not bold.strip():
                text += bold + after
                continue
            opening = " " if bold[0].isspace() or (_glued(text, bold) and len(bold) > 2) else ""
            closing = " " if bold[-1].isspace() or (_glued(bold, after) and len(bold) > 2) else ""
            opening = "" if not text or text[-1].isspace() else opening
            closing = "" if not after or after[0].isspace() else closing
            text += f"{opening}**{bold.strip()}**{closing}{after}"
    return _SPACE_AFTER_MARK.sub(r"\1", text)


@lru_cache(maxsize=4096)  # Every step of cleaning asks for the same lines again.
def shown(text: str) -> str:
    """Return the words of a block's Markdown as a reader sees them, on one line, without marks."""
    text = _LINE_MARK.sub("", text)
    return " ".join(_INLINE_MARK.sub("", text).split())


def _park_code(text: str, parked: list[str]) -> str:
    result, position = "", 0
    for match in _CODE.finditer(text):
        code = match.group() if match.group(2) is not None else f"`{html.unescape(match.group(3))}`"
        result += without_invisible(text[position : match.start()]) + f"\ue000{len(parked)}\ue001"
        parked.append(code)
        position = match.end()
    return result + without_invisible(text[position:])


def _resolve_links(text: str, references: frozenset[str], dropped: Counter[str]) -> str:
    def resolve(match: re.Match[str]) -> str:
        image, label, name = match.groups()
        if normalizeReference(name or label) not in references:
            return match.group()
        return "" if image else label

    if "[" not in text:
        return text
    without = _IMAGE.sub("", text)
    if without != text:
        without = re.sub(r"(?<=\S) {2,}(?=\S)", " ", without)
    text = _count(text, without, dropped, "image remnant")
    if references:
        text = _count(text, _REFERENCE.sub(resolve, text), dropped, "link address")
    text = _count(text, re.sub(rf"(?<!\\)\[\s*\]{_ADDRESS}", "", text), dropped, "empty link")
    return _count(text, _LINK.sub(_link_text, text), dropped, "link address")


def _link_text(match: re.Match[str]) -> str:
    """Return what a link says; where it shows an address, perhaps a shortened one, the address in full."""
    label, target = match.group(1), _TARGET.fullmatch(match.group()[len(match.group(1)) + 2 :])
    return target.group(1) if target and _WRITTEN_OUT.fullmatch(label.strip()) else label


def _count(before: str, after: str, dropped: Counter[str], reason: str) -> str:
    if len(after) < len(before):
        dropped[reason] += len(before) - len(after)
    return after


def _unescape(match: re.Match[str]) -> str:
    character = html.unescape(match.group())
    # An unescaped angle bracket would begin a tag, and a private character may be where code was put aside.
    if character in "<>" or any("\ue000" <= one <= "\uf8ff" for one in character):
        return match.group()
    return without_invisible(plain_letters(_NARROW_SPACE.sub(" ", character)))


def _glued(left: str, right: str) -> bool:
    # A digit behind a single letter is a power ("x**2"), no bold text.
    if right[:1].isdigit():
        return left[-2:].isalpha() and len(left) > 1
    return left[-1:].isalnum() and right[:1].isalpha()
