"""Where a text ends as somebody would end it, and where it breaks off.

A model that stops at its limit of tokens stops in the middle of a sentence, a list or a fence of code. A pair of an
author's whole passage and such a fragment teaches to tell finished from cut off, which is not style.
"""

import ast
import math
import re
import warnings

from twin_assets.datasets.extraction.blocks import Block, blocks
from twin_assets.datasets.extraction.fitness import is_finished, is_item
from twin_assets.evaluation.prose import sentence_spans

_FENCE = re.compile(r"`{3,}|~{3,}")
_ITEM_START = re.compile(r"^ {0,3}(?:[-*+]|\d{1,9}[.)])[ \t]", re.MULTILINE)


def cut_to_complete(text: str) -> str:
    """Return a Markdown text up to its last complete end, without blank ends; empty if there is none.

    Complete ends are: a sentence that `is_finished`; a fence of code that is closed; a table that ends with a cell's
    bar; a list item, a table or a block of code behind which something else begins. Neither a heading nor words with a
    colon, which announce what is not there, end a text.
    """
    found = blocks(text)
    for number in reversed(range(len(found))):
        length = _complete_length(found[number], followed=number + 1 < len(found))
        if length:
            return text[: found[number].start + length].strip()
    return ""


def cut_near(text: str, words: int, *, at_least: int = 1) -> str:
    """Return the beginning of a text that ends complete and comes nearest to a number of words.

    Args:
        text: A text that ends complete itself.
        words: How long it should be.
        at_least: No shorter beginning is taken, the whole text excepted.

    Returns:
        A verbatim beginning of the text; the text itself if it has no other complete end.
    """

    def distance(beginning: str) -> float:
        return abs(math.log(len(beginning.split()) / max(1, words)))

    best = text
    beginning = text
    while shorter := beginning.rsplit(maxsplit=1)[:-1]:
        beginning = _beginning(text, cut_to_complete(shorter[0]))
        if len(beginning.split()) < at_least:
            break
        if distance(beginning) < distance(best):
            best = beginning
    return best


def cut_code_to_complete(source: str) -> str:
    """Return source code up to the last line at which it parses as Python; empty if that is less than half its lines.

    Code in another language has no such line. Prose that happens to parse, such as a single word, is no code.
    """
    lines = source.strip().splitlines()
    for count in range(len(lines), (len(lines) - 1) // 2, -1):
        upto = "\n".join(lines[:count]).rstrip()
        if _is_python(upto):
            return upto
    return ""


def ends_complete(text: str) -> bool:
    """Whether a text that a person ended ends as a text does, and not in mid-sentence.

    A list or a table may end with words that are no sentence: the person who ended it there meant to.
    """
    found = blocks(text)
    if not found:
        return False
    last = found[-1]
    if last.kind == "code":
        return _is_closed(last)
    if last.kind == "paragraph" and is_item(last):
        return True
    return last.kind in ("list", "table") or (last.kind in ("paragraph", "quote") and is_finished(last.plain))


def _beginning(text: str, cut: str) -> str:
    """Return what `cut_to_complete` left of a text, with the blanks that the text begins with."""
    return text[: len(text) - len(text.lstrip()) + len(cut)] if cut else ""


def _complete_length(block: Block, *, followed: bool) -> int:
    """Return how much of a block, in characters, goes up to its last complete end; 0 for nothing of it."""
    if block.kind == "code":
        return len(block.text) if followed or _is_closed(block) else 0
    if block.kind == "table":
        return len(block.text) if followed or block.text.endswith("|") else 0
    if block.kind == "list" and ((followed and not block.plain.endswith(":")) or is_finished(block.plain)):
        return len(block.text)
    if block.kind == "list":
        return _end_of_items(block.text)
    return _end_of_sentences(block.text) if block.kind in ("paragraph", "quote") else 0


def _end_of_sentences(text: str) -> int:
    if is_finished(text):
        return len(text)
    return next((end for start, end in reversed(sentence_spans(text)) if is_finished(text[start:end])), 0)


def _end_of_items(text: str) -> int:
    """Return where the last sentence of a list's last item ends; without one, where the item before it does."""
    items = list(_ITEM_START.finditer(text))
    if not items:
        return _end_of_sentences(text)
    length = _end_of_sentences(text[items[-1].end() :])
    return items[-1].end() + length if length else len(text[: items[-1].start()].rstrip())


def _is_closed(code: Block) -> bool:
    opening = _FENCE.match(code.text)
    lines = code.text.splitlines()
    if not opening or len(lines) < 2:
        return False
    closing = lines[-1].strip()
    return closing.startswith(opening.group()) and set(closing) == {opening.group()[0]}


def _is_python(source: str) -> bool:
    """Whether a source parses, and does something: a name or a text alone does not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(not isinstance(one, ast.Expr) or isinstance(one.value, ast.Call | ast.Await) for one in statements)
