"""Cleaning of articles: pages of a site, with its head, its foot and its buttons around the author's text."""

from collections import Counter

from twin_assets.documents import RawDocument
from twin_assets.features.blocks import Block
from twin_assets.features.furniture import Page
from twin_assets.features.layout import drop_furniture, join_mentions
from twin_assets.features.reading import read_blocks
from twin_assets.features.titles import clean_title


def article_blocks(document: RawDocument, dropped: Counter[str]) -> list[Block]:
    """Return the author's blocks of an article.

    Headings, lists, tables, quotes, emphasis, link texts and paragraphs stay. Menus, tables of contents, subscribe,
    share and sign-in boxes, cookie notices, bylines, comments, footers and images go.

    Args:
        document: The article, with `text`.
        dropped: Characters removed are counted here, by reason.
    """
    title = clean_title(document.title, author=document.author, platform=document.platform)
    blocks = read_blocks(document, title, dropped)
    page = Page(join_mentions(blocks), title, document.subtitle, document.author)
    drop_furniture(page)
    return page.kept(dropped)
