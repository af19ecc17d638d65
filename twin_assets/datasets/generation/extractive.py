"""The instruct dataset: every passage worth asking for, with the instruction that asks for it.

Passages are found in `passages`, instructions written in `instructions`, sides drawn in `splitting`. Here they are put
together, and what would stand in the dataset twice is left out.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twin_assets.datasets.instructions import GENERATOR, Place, write_instruction
from twin_assets.datasets.overlap import SeenTexts, normal_form
from twin_assets.datasets.passages import Passage, scan
from twin_assets.datasets.splitting import cluster_roots, split_documents
from twin_assets.documents import CleanedDocument, InstructRow, Split
from twin_assets.training.chat_template import holds_marker

OPENING_WORDS = 25
"""A passage with fewer words than this before it opens its document."""

HOLDS_MARKER = "holds a marker of the chat template"
"""Why a row is left out whose text would end or begin a turn in the middle of one."""


class InstructResult(NamedTuple):
    """The rows, and how many documents and pieces of documents gave none, by reason."""

    rows: list[InstructRow]
    dropped: dict[str, int]


def build_instruct_rows(
    documents: Sequence[CleanedDocument], *, seed: int, test_fraction: float = 0.15
) -> InstructResult:
    """Return the instruct dataset of one author.

    No document and no answer stands in both splits: a document that nearly repeats another gives no rows, nor does a
    passage that nearly repeats another. Of two such passages the one in the test split is kept, so that what is held
    out stays whole. No two rows have the same instruction, and none spells out a marker of the chat template.

    Args:
        documents: All cleaned documents of one author, near-duplicates marked.
        seed: Draws the split and the templates.
        test_fraction: Share of the documents to hold out.

    Returns:
        The rows, ordered by document and offset, and the counts of what was dropped. A document counts once, under
        "near-duplicate document" or "document without a passage"; every other reason counts blocks or passages.

    Raises:
        TooLittleTextError: If the author has written too little, see `split_documents`.
    """
    splits = split_documents(documents, seed=seed, test_fraction=test_fraction)
    dropped: Counter[str] = Counter()
    rows: list[InstructRow] = []
    answers = SeenTexts()
    taken: set[str] = set()
    # The test split comes first: of two passages or instructions that are alike, its own is kept.
    for document in sorted(_distinct(documents, dropped), key=lambda one: (splits[one.document_id], one.document_id)):
        for passage, place in _placed(document, dropped):
            if holds_marker(passage.text):
                dropped[HOLDS_MARKER] += 1
                continue
            if answers.repeated_by(passage.text) is not None:
                dropped["repeated answer"] += 1
                continue
            instruction = write_instruction(passage, place, seed=seed, taken=taken)
            if instruction is None or holds_marker(instruction.text):
                dropped["no instruction" if instruction is None else HOLDS_MARKER] += 1
                continue
            taken.add(normal_form(instruction.text))
            answers.add(passage.document_id, passage.text)
            rows.append(_row(passage, instruction.text, instruction.prompt_hash, splits[document.document_id]))
    rows.sort(key=lambda row: (row.document_id, row.start))
    return InstructResult(rows, dict(dropped.most_common()))


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


def _row(passage: Passage, instruction: str, prompt_hash: str, split: Split) -> InstructRow:
    return InstructRow(
        instruction=instruction,
        answer=passage.text,
        author=passage.author,
        category=passage.category,
        document_id=passage.document_id,
        start=passage.start,
        end=passage.end,
        generator=GENERATOR,
        prompt_hash=prompt_hash,
        split=split,
    )
