"""Cleaning of posts: short texts from social networks, which have no title, no head and no foot.

So the rules for the layout of a page do not apply: a list of eight short items is no menu, and a first line that names
the author is no byline. Buttons and notices that were copied along with a post go as they do from an article.
"""

import re
from collections import Counter

from twin_assets.documents import RawDocument
from twin_assets.features.blocks import Block
from twin_assets.features.furniture import Page, drop_phrases, drop_widgets
from twin_assets.features.layout import drop_idle_marks
from twin_assets.features.reading import read_blocks

HASHTAG = "hashtag label"

_HASHTAG_LABEL = re.compile(r"\bhashtag\s*(?=#\w)")
"""LinkedIn puts the word "hashtag" in front of each hashtag for screen readers, and it is copied with the post."""


def post_blocks(document: RawDocument, dropped: Counter[str]) -> list[Block]:
    """Return the author's blocks of a post; its line breaks, hashtags, mentions and addresses stay.

    Args:
        document: The post, with `text`.
        dropped: Characters removed are counted here, by reason.
    """
    page = Page(
        [_without_labels(block, dropped) for block in read_blocks(document, None, dropped)],
        document.title,
        document.subtitle,
        document.author,
    )
    drop_widgets(page)
    drop_phrases(page)
    drop_idle_marks(page)
    return page.kept(dropped)


def _without_labels(block: Block, dropped: Counter[str]) -> Block:
    if block.kind == "code":
        return block
    text = _HASHTAG_LABEL.sub("", block.text)
    dropped[HASHTAG] += len(block.text) - len(text)
    return Block(block.kind, text, block.level)
