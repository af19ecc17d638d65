"""Units: the blocks of a section that stand or fall together, such as a list with the sentence that leads it in.

How units are packed into passages is decided in `passages`; whether a block may stand in an answer, in `fitness`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from twin_assets.datasets.extraction.blocks import Block, blocks
from twin_assets.datasets.extraction.fitness import is_finished, is_item, leads_in, unfitness
from twin_assets.evaluation.prose import sentence_spans

MAX_UNIT_WORDS = 220
"""A unit beyond this is cut at a sentence end if it is one paragraph, and left out if it is not."""
MAX_PARAGRAPH_WORDS = 800
"""A paragraph beyond this is a page that lost its structure: its sentences run through headings and captions."""
CUT_WORDS = 150
"""A long paragraph is cut at the first sentence end after so many words."""

_LEANS = re.compile(
    r"(?:however|but|and|or|also|moreover|furthermore|additionally|therefore|thus|hence|so|otherwise|instead|still|yet|"
    r"then|similarly|contrarily|conversely|likewise|finally|next|secondly|thirdly|lastly|nevertheless|nonetheless|again|"
    r"consequently|besides|meanwhile|afterwards?|now|here|this|that|these|those|it|its|they|their|them|he|she|his|her|"
    r"both|neither|indeed|previously|alternatively|such|another|"
    r"(?:on|in|at|by|from|with|for|after|before|despite|beyond|given|like|unlike|using|to do) "
    r"(?:the other|the same|this|that|these|those|it|such|them)|"
    r"in (?:addition|contrast|other words|short|the (?:end|meantime|next|previous))|"
    r"as (?:you can|we can|a result|mentioned|said|shown|discussed|before|expected|for)|for (?:example|instance|that)|"
    r"the (?:latter|former|other|second|third|last|same|first one|next|above)|of course|let's)\b",
    re.IGNORECASE,
)


class Unit(NamedTuple):
    """Blocks that stand or fall together, without a gap between them."""

    blocks: tuple[Block, ...]

    @property
    def n_words(self) -> int:
        """Words as they stand, code and marks included."""
        return sum(block.n_words for block in self.blocks)

    @property
    def plain(self) -> str:
        """Its prose without marks and code."""
        return "\n".join(block.plain for block in self.blocks if block.kind in ("paragraph", "list", "quote"))

    @property
    def leans(self) -> bool:
        """Whether it opens with a word that leans on what stands before, and would hang in the air alone."""
        opening = self.blocks[0].plain.replace("\u2019", "'").lstrip("*_\"\u201c'\u2018( ")
        return bool(_LEANS.match(opening)) or opening[:1].islower() or opening.startswith(("...", "\u2026"))


def unit_runs(text: str, parts: Iterable[Block], dropped: Counter[str]) -> Iterator[list[Unit]]:
    """Yield runs of units that follow each other without a gap; a block that may not stand in an answer ends a run.

    Args:
        text: The document that the blocks stand in.
        parts: The blocks of one section, in order.
        dropped: Counts the blocks that are left out, by reason; added to.
    """
    run: list[Unit] = []
    waiting: tuple[Block, ...] = ()
    end = None
    for block in parts:
        reason = unfitness(block)
        if reason or (end is not None and text[end : block.start].strip()):
            dropped["announces what is not there"] += len(waiting)
            yield run
            run, waiting = [], ()
        end = block.end
        if reason:
            dropped[reason] += 1
        elif leads_in(block):
            waiting = (*waiting, block)
        elif waiting:
            run, done = _extended(run, Unit((*waiting, block)), dropped)
            waiting = ()
            yield from done
        elif _stands_alone(block):
            run, done = _extended(run, Unit((block,)), dropped)
            yield from done
        elif run and block.kind != "quote" and run[-1].n_words + block.n_words <= MAX_UNIT_WORDS:
            run[-1] = Unit((*run[-1].blocks, block))
        else:
            dropped[f"{block.kind} without words about it"] += 1
            yield run
            run = []
    dropped["announces what is not there"] += len(waiting)
    yield run


def _extended(run: list[Unit], unit: Unit, dropped: Counter[str]) -> tuple[list[Unit], list[list[Unit]]]:
    """Return the run with the unit added, or, where the unit is too long for any passage, a new run and the old one."""
    if unit.n_words <= MAX_UNIT_WORDS:
        return [*run, unit], []
    if len(unit.blocks) == 1 and unit.blocks[0].kind == "paragraph" and unit.n_words <= MAX_PARAGRAPH_WORDS:
        return run + [Unit((piece,)) for piece in _cut(unit.blocks[0])], []
    dropped["too long"] += len(unit.blocks)
    return [], [run]


def _cut(paragraph: Block) -> Iterator[Block]:
    """Yield a long paragraph in pieces of whole sentences, 150 words or a little more each; the last one is shorter."""
    first = words = 0
    spans = sentence_spans(paragraph.text)
    for number, (start, end) in enumerate(spans):
        words += len(paragraph.text[start:end].split())
        if words >= CUT_WORDS or number + 1 == len(spans):
            piece = paragraph.text[spans[first][0] : end]
            yield replace(
                paragraph,
                text=piece,
                start=paragraph.start + spans[first][0],
                end=paragraph.start + end,
                items=tuple(item for block in blocks(piece) for item in block.items),
            )
            first, words = number + 1, 0


def _stands_alone(block: Block) -> bool:
    """Whether a block says something without a lead-in: a paragraph, or a list most of whose items are sentences."""
    if block.kind == "paragraph":
        return not is_item(block) or is_finished(block.plain)
    return block.kind == "list" and sum(map(is_finished, block.items)) * 2 > len(block.items)
