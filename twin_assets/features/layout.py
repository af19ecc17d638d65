"""The layout of a page: where its head ends, its comments begin, and which lists are lists of links.

These rules need the order of the blocks and the document's own title; the phrases that sites use are in `furniture`.
"""

import re
from collections.abc import Sequence

from rapidfuzz import fuzz

from twin_assets.features.blocks import Block
from twin_assets.features.furniture import (
    BYLINE,
    CARD,
    COMMENTS,
    CONTENTS,
    EMPTY,
    NAVIGATION,
    REPEATED,
    SIGN_IN,
    Page,
    drop_phrases,
    drop_widgets,
    is_byline,
    is_date,
    is_name,
    list_items,
    strong_reason,
)
from twin_assets.features.inline import shown

HEAD_BLOCKS = 60
"""A site's head (menu, title, byline, share box) lies within so many blocks."""

PROSE_WORDS = 12
"""A paragraph of so many words is somebody's prose: whatever stands behind it is no head of the page."""

SAME_TITLE = 90
"""Two titles with at least this similarity (`rapidfuzz.fuzz.ratio`, 0 to 100) are one, apart from punctuation."""

_CONTENTS = re.compile(
    r"(?:table of contents|contents|sections|on this page|in this (?:article|post))\s*:?", re.IGNORECASE
)
_LABELS = frozenset({"author", "authors", "published", "date", "modified", "updated", "affiliation", "affiliations"})
_CONNECTORS = frozenset({",", ", and", "and", "&", ", &"})
_NUMBERING = re.compile(r"^#?\s*(?:\d+[.)]?|[ivx]+\.)*\s*", re.IGNORECASE)


def drop_furniture(page: Page) -> None:
    """Mark everything on the page that is not the author's, with its reason."""
    drop_comments(page)
    drop_cards(page)
    drop_site_header(page)
    drop_byline(page)
    drop_widgets(page)
    drop_phrases(page)
    drop_link_lists(page)
    drop_contents(page)
    drop_repeated_titles(page)
    drop_idle_marks(page)


def join_mentions(blocks: Sequence[Block]) -> list[Block]:
    """Join a sentence that a mention of a person or publication, collected as a paragraph of its own, cut in three.

    The mention stands between a paragraph that ends in the middle of a sentence and one that begins there.
    """
    joined = list(blocks)
    place = 0
    while place + 2 < len(joined):
        before, name, after = (
            shown(block.text) if block.kind == "paragraph" else "" for block in joined[place : place + 3]
        )
        opens = re.search(r"[\w,]$", before) and any(word.islower() for word in before.split())
        if opens and is_name(name) and re.match(r"[a-z,.;)]", after):
            texts = [block.text for block in joined[place : place + 3]]
            space = " " if after[0].isalpha() else ""
            joined[place : place + 3] = [Block("paragraph", f"{texts[0]} {texts[1]}{space}{texts[2]}")]
        else:
            place += 1
    return joined


def drop_comments(page: Page) -> None:
    """Drop what follows the post: readers' comments and recommendations are not the author's, however long they are."""
    keys = [words.casefold() for words in page.words]
    for position, key in enumerate(keys):
        substack = key == "discussion about this post" and not {"comments", "restacks"}.isdisjoint(keys[position:][:4])
        medium = key.startswith("sign up to discover human stories") and "see more recommendations" in keys
        if substack or medium:
            page.drop(range(position, len(page)), COMMENTS)
            return


def drop_cards(page: Page) -> None:
    """Drop the byline of an embedded link to another post, whose title stays as a line of text.

    Such a card reads: heading, author, "·", date, "Read full story".
    """
    for position, words in enumerate(page.words):
        if words.casefold() != "read full story":
            continue
        start = next(
            (i for i in range(position - 1, max(position - 7, -1), -1) if page.blocks[i].kind == "heading"), None
        )
        if start is not None:
            page.drop(range(start + 1, position + 1), CARD)
            page.blocks = [*page.blocks[:start], Block("paragraph", page.words[start]), *page.blocks[start + 1 :]]


def drop_site_header(page: Page) -> None:
    """Drop what stands above the title: the site's name, menus, breadcrumbs."""
    top = _title_position(page)
    for position in range(min(4, len(page))):
        has_title_below = any(
            block.kind == "heading" and block.level == 1 for block in page.blocks[position:HEAD_BLOCKS]
        )
        if strong_reason(page.words[position]) == SIGN_IN and has_title_below:
            page.drop(range(position), NAVIGATION)
    if top is not None and not any(_is_prose(page, position) for position in range(top)):
        page.drop([position for position in page.left(0, top) if not _is_widget(page, position)], NAVIGATION)


def drop_byline(page: Page) -> None:
    """Drop the author's name, the date and their labels between the title and the first prose.

    The site wrote them, and they are kept as fields of the document.
    """
    head = _head_end(page)
    for position in page.left(0, head):
        words = page.words[position]
        if is_byline(words, page.author) and page.blocks[position].kind != "heading":
            page.drop([position], BYLINE)
        elif is_date(words):
            page.drop([position, *_names_before(page, position)], BYLINE)
        elif words.casefold() in _LABELS:
            topic = [
                i for i in page.left(position - 1, position) if is_name(page.words[i]) and i != _title_position(page)
            ]
            values = [
                i for i in page.left(position + 1, position + 2) if is_name(page.words[i]) or is_date(page.words[i])
            ]
            page.drop([*topic, position, *values], BYLINE)


def drop_link_lists(page: Page) -> None:
    """Drop the menus above the first prose: eight short items or more in lists that follow each other, or icons."""
    row: list[int] = []
    items: list[str] = []
    for position in [*page.left(0, _head_end(page)), len(page)]:
        if position < len(page) and page.blocks[position].kind in ("list", "rule"):
            row.append(position)
            items += list_items(page.blocks[position])
            continue
        short = all(len(item.split()) <= 7 and not item.endswith((".", "?", "!", ";")) for item in items)
        if items and ((len(items) >= 8 and short) or not any(items)):
            page.drop(row, NAVIGATION)
        row, items = [], []


def drop_contents(page: Page) -> None:
    """Drop a table of contents: a list, announced as such, most of whose items are headings of the same document.

    It holds no sentence of its own, and as a passage it would compete with the sections that it names.
    """
    headings = [_plain(page.words[i]) for i in range(len(page)) if page.blocks[i].kind == "heading"]
    for position in page.left(0, len(page) - 1):
        if not _CONTENTS.fullmatch(page.words[position]) or page.blocks[position].kind not in ("heading", "paragraph"):
            continue
        following = page.left(position + 1, position + 2)
        if not following or page.blocks[following[0]].kind != "list":
            continue
        items = [_plain(item) for item in list_items(page.blocks[following[0]])]
        known = [item for item in items if any(fuzz.ratio(item, heading) >= 80 for heading in headings)]
        if items and len(known) >= 0.6 * len(items):
            page.drop([position, *following], CONTENTS)


def drop_repeated_titles(page: Page) -> None:
    """Drop a second title or subtitle in the head, and make text of a subtitle's heading, which opens no section.

    A subtitle is known by its words, or by its place: a heading right below the title and right above the byline.
    """
    seen: list[str] = []
    for position in page.left(0, _head_end(page)):
        block, words = page.blocks[position], page.words[position]
        if block.kind not in ("heading", "paragraph"):
            continue
        above = page.blocks[position - 1].level == 1 if position else False
        in_place = above and block.level > 1 and page.reasons[position + 1 : position + 2] == [BYLINE]
        if any(_same(words, other) for other in seen):
            page.drop([position], REPEATED)
        elif block.level == 1 or _same(words, page.title):
            seen.append(words)
        elif in_place or _same(words, page.subtitle):
            seen.append(words)
            page.blocks = [*page.blocks[:position], Block("paragraph", words), *page.blocks[position + 1 :]]


def drop_idle_marks(page: Page) -> None:
    """Drop what heads or separates nothing: headings without words, or of a button that is gone, and idle rules."""
    kept = page.left(0, len(page))
    below: Block | None = None
    for position in reversed(kept):
        block = page.blocks[position]
        reason = _idle_reason(block, page.words[position], below, is_first=position == kept[0])
        if reason:
            page.drop([position], reason)
        else:
            below = block


def _idle_reason(block: Block, words: str, below: Block | None, *, is_first: bool) -> str | None:
    if block.kind == "rule":
        return EMPTY if is_first or below is None or below.kind in ("rule", "heading") else None
    if block.kind != "heading":
        return None
    if not words:
        return EMPTY
    return strong_reason(words) if below is None or 0 < below.level <= block.level else None


def _title_position(page: Page) -> int | None:
    for position in range(min(HEAD_BLOCKS, len(page))):
        if (
            page.blocks[position].kind == "heading"
            and page.blocks[position].level == 1
            and _same(page.words[position], page.title)
        ):
            return position
    return None


def _head_end(page: Page) -> int:
    """Return the position of the first prose: a long paragraph that is neither title, subtitle nor furniture."""
    for position in range(min(HEAD_BLOCKS, len(page))):
        if _is_prose(page, position) and not _same(page.words[position], page.subtitle):
            return position
    return min(HEAD_BLOCKS, len(page))


def _is_prose(page: Page, position: int) -> bool:
    return page.blocks[position].kind in ("paragraph", "quote") and len(page.words[position].split()) >= PROSE_WORDS


def _is_widget(page: Page, position: int) -> bool:
    return strong_reason(page.words[position]) is not None


def _names_before(page: Page, position: int) -> list[int]:
    """Return the positions of the names right above a date: two at most, or more with commas between them."""
    found: list[int] = []
    names = 0
    for place in page.left(position - 10, position)[::-1]:
        if page.blocks[place].kind != "paragraph":
            break
        if page.words[place].casefold() in _CONNECTORS:
            names = 0
        elif is_name(page.words[place]) and names < 2:
            names += 1
        else:
            break
        found.append(place)
    return found


def _same(words: str, title: str | None) -> bool:
    return bool(title) and fuzz.ratio(_plain(words), _plain(title or "")) >= SAME_TITLE


def _plain(words: str) -> str:
    return " ".join(re.findall(r"\w+", _NUMBERING.sub("", words).casefold()))
