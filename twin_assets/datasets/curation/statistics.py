"""What can be wrong with a dataset, found row by row.

Every function that looks for a fault returns what is at fault, so that a check can name it. The functions take the rows
as they are stored, and trust nothing that the builders promise.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from twin_assets.datasets.curation.overlap import SeenTexts, normal_form
from twin_assets.datasets.curation.splitting import cluster_roots
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow, Split

Row = TypeVar("Row", InstructRow, PreferenceRow)


def ungrounded_rows(rows: Sequence[Row], documents: Iterable[CleanedDocument]) -> list[Row]:
    """Return the rows whose answer (or chosen text) does not stand verbatim at its offsets in its own document."""
    texts = {document.document_id: document.text for document in documents}
    return [row for row in rows if not _is_grounded(row, texts.get(row.document_id))]


def documents_in_both_splits(
    rows: Sequence[InstructRow] | Sequence[PreferenceRow], documents: Iterable[CleanedDocument] = ()
) -> list[str]:
    """Return the ids of documents that have rows in train and in test, in order.

    Args:
        rows: The dataset.
        documents: If given, a document counts together with those that nearly repeat it.
    """
    roots = cluster_roots(documents)
    splits: dict[str, set[Split]] = defaultdict(set)
    for row in rows:
        splits[roots.get(row.document_id, row.document_id)].add(row.split)
    return sorted({row.document_id for row in rows if len(splits[roots.get(row.document_id, row.document_id)]) > 1})


def answers_in_both_splits(rows: Sequence[Row]) -> list[Row]:
    """Return the test rows whose answer (or chosen text) a train row repeats or nearly repeats.

    Nearly means that half of the runs of five words of the shorter text stand in the longer, see `overlap`.
    """
    trained = SeenTexts()
    for row in rows:
        if row.split == "train":
            trained.add(row.document_id, answer_of(row))
    return [row for row in rows if row.split == "test" and trained.repeated_by(answer_of(row)) is not None]


def prompts_in_both_splits(rows: Sequence[Row]) -> list[Row]:
    """Return the test rows whose instruction (or prompt) a train row has too, marks and capitals aside."""
    trained = {normal_form(prompt_of(row)) for row in rows if row.split == "train"}
    return [row for row in rows if row.split == "test" and normal_form(prompt_of(row)) in trained]


def duplicate_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows whose answer (or chosen text) or whose instruction (or prompt) an earlier row has too."""
    seen: set[tuple[str, str]] = set()
    repeated = []
    for row in rows:
        keys = {("answer", normal_form(answer_of(row))), ("prompt", normal_form(prompt_of(row)))}
        if seen & keys:
            repeated.append(row)
        seen |= keys
    return repeated


def chosen_equal_rejected(rows: Sequence[PreferenceRow]) -> list[PreferenceRow]:
    """Return the pairs whose texts are the same, marks and capitals aside, or whose rejected text is empty."""
    return [row for row in rows if normal_form(row.rejected) in ("", normal_form(row.chosen))]


def prompt_of(row: InstructRow | PreferenceRow) -> str:
    """Return what a person would ask."""
    return row.instruction if isinstance(row, InstructRow) else row.prompt


def answer_of(row: InstructRow | PreferenceRow) -> str:
    """Return the author's own passage."""
    return row.answer if isinstance(row, InstructRow) else row.chosen


def _is_grounded(row: InstructRow | PreferenceRow, text: str | None) -> bool:
    answer = answer_of(row)
    return (
        bool(answer.strip()) and text is not None and 0 <= row.start < row.end and text[row.start : row.end] == answer
    )
