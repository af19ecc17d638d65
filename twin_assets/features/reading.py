"""Reading: a collected text, in whatever form it came, becomes tidy Markdown blocks.

Which of the blocks are the author's own is decided by the cleaner of the category: `articles`, `posts`, `repositories`.
"""

from collections import Counter

from twin_assets.documents import RawDocument
from twin_assets.features.blocks import Block, Surroundings, parse_blocks
from twin_assets.features.glued import is_glued, separate
from twin_assets.features.html import html_to_markdown, is_html
from twin_assets.features.inline import tidy_inline


def read_blocks(document: RawDocument, title: str | None, dropped: Counter[str]) -> list[Block]:
    """Take a document's text apart: HTML, Markdown, plain text, or text that lost its line breaks.

    Args:
        document: An article or post.
        title: Its clean title, which helps to part glued text.
        dropped: Characters removed are counted here, by reason.
    """
    text = document.text or ""
    if document.media_type == "text/html":
        return markdown_blocks(html_to_markdown(text, dropped), dropped)
    if is_glued(text):
        return markdown_blocks(separate(text, title=title, subtitle=document.subtitle, dropped=dropped), dropped)
    return markdown_blocks(text, dropped, plain=document.media_type == "text/plain")


def markdown_blocks(text: str, dropped: Counter[str], *, plain: bool = False) -> list[Block]:
    """Take Markdown, or plain text, apart into tidy blocks; raw HTML inside it is read as Markdown.

    Args:
        text: Markdown or plain text.
        dropped: Characters removed are counted here, by reason.
        plain: Plain text: indentation, underlines and angle brackets then mean nothing.
    """

    def tidy(line: str, around: Surroundings) -> str:
        return tidy_inline(line, around, dropped)

    blocks: list[Block] = []
    for block in parse_blocks(text, tidy=tidy, plain=plain):
        if block.kind == "html" and not is_html(block.text):
            blocks.append(Block("paragraph", block.text))
        elif block.kind == "html":
            # A README may hold raw HTML; what it says is Markdown like the rest.
            blocks += [inner for inner in parse_blocks(html_to_markdown(block.text, dropped), tidy=tidy) if inner.text]
        elif block.text:
            blocks.append(block)
    return blocks
