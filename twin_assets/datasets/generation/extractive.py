"""The extractive generator: every passage worth asking for, with the instruction that asks for it, and no model.

Passages are found in `extraction.passages`, instructions written in `instructions`. Here they are put together, and
what would stand in the dataset twice is left out.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from twin_assets.datasets.curation.overlap import SeenTexts, normal_form
from twin_assets.datasets.curation.splitting import cluster_roots
from twin_assets.datasets.extraction.passages import Passage, scan
from twin_assets.datasets.generation.contract import Generated, Material
from twin_assets.datasets.generation.instructions import GENERATOR, Instruction, Place, write_instruction
from twin_assets.documents import CleanedDocument, InstructRow, Split
from twin_assets.training.chat_template import holds_marker

OPENING_WORDS = 25
"""A passage with fewer words than this before it opens its document."""

HOLDS_MARKER = "holds a marker of the chat template"
"""Why a row is left out whose text would end or begin a turn in the middle of one."""


_ORDER: tuple[Split, ...] = ("test", "validation", "train")
"""Of two passages or instructions that are alike, the one held out is kept, so that what is held out stays whole."""


class Extractive:
    """Answers are the author's own passages, verbatim; instructions are derived from headings and keyphrases."""

    def generate(self, material: Material) -> Generated:
        """Return a row for each passage.

        No answer stands in two splits: a document that nearly repeats another gives no rows, nor does a passage that
        nearly repeats another. No two rows have the same instruction, and none spells out a marker of the chat
        template.

        Returns:
            The rows, ordered by document and offset, and the counts of what was dropped. A document counts once, under
            "near-duplicate document" or "document without a passage"; every other reason counts blocks or passages.
        """
        dropped: Counter[str] = Counter()
        rows: list[InstructRow] = []
        answers = SeenTexts()
        taken: set[str] = set()
        for passage, place in placed_passages(material, dropped):
            if answers.repeated_by(passage.text) is not None:
                dropped["repeated answer"] += 1
                continue
            instruction = write_instruction(passage, place, seed=material.seed, taken=taken)
            if instruction is None or holds_marker(instruction.text):
                dropped["no instruction" if instruction is None else HOLDS_MARKER] += 1
                continue
            taken.add(normal_form(instruction.text))
            answers.add(passage.document_id, passage.text)
            rows.append(_row(passage, instruction, material.splits[passage.document_id]))
        return Generated(sorted(rows, key=lambda row: (row.document_id, row.start)), dropped)


def placed_passages(material: Material, dropped: Counter[str]) -> Iterator[tuple[Passage, Place]]:
    """Yield the passages that rows are made from, each with where it stands; those held out first.

    A document that nearly repeats another has none, and none spells out a marker of the chat template.

    Args:
        material: The documents and their sides.
        dropped: Counts what is left out, by reason; added to.
    """
    for document in sorted(
        _distinct(material.documents, dropped),
        key=lambda one: (_ORDER.index(material.splits[one.document_id]), one.document_id),
    ):
        for passage, place in _placed(document, dropped):
            if holds_marker(passage.text):
                dropped[HOLDS_MARKER] += 1
            else:
                yield passage, place


def _distinct(documents: Sequence[CleanedDocument], dropped: Counter[str]) -> Iterator[CleanedDocument]:
    """Yield one document of every cluster of near-duplicates: its root, or the first if the root has been deleted."""
    roots = cluster_roots(documents)
    speaks_for = {root: root for root in roots.values() if root in roots}
    for document in sorted(documents, key=lambda one: one.document_id):
        if speaks_for.setdefault(roots[document.document_id], document.document_id) == document.document_id:
            yield document
        else:
            dropped["near-duplicate document"] += 1


def _placed(document: CleanedDocument, dropped: Counter[str]) -> Iterator[tuple[Passage, Place]]:
    """Yield the passages of a document, each with where it stands."""
    found, reasons = scan(document)
    dropped.update(reasons)
    if not found:
        dropped["document without a passage"] += 1
    prose = "\n".join(passage.plain for passage in found if passage.code is None)
    before: set[int] = set()
    for passage in found:
        yield passage, Place(document, prose, _opens(document, passage), passage.section not in before)
        before.add(passage.section)


def _opens(document: CleanedDocument, passage: Passage) -> bool:
    """Whether nothing but headings, a byline or a subtitle stands before a passage."""
    before = re.sub(r"^#.*$", "", document.text[: passage.start], flags=re.MULTILINE)
    return len(before.split()) < OPENING_WORDS


def _row(passage: Passage, instruction: Instruction, split: Split) -> InstructRow:
    return InstructRow(
        instruction=instruction.text,
        answer=passage.text,
        author=passage.author,
        category=passage.category,
        document_id=passage.document_id,
        start=passage.start,
        end=passage.end,
        generator=GENERATOR,
        prompt_hash=instruction.prompt_hash,
        split=split,
        kind=instruction.kind,
    )
