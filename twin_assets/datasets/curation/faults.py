"""What can be wrong with a dataset, found row by row.

Every function that looks for a fault returns what is at fault, so that a check can name it. The functions take the rows
as they are stored, and trust nothing that the builders promise.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from twin_assets.datasets.curation.contract import Row
from twin_assets.datasets.curation.duplicates import drop_near, identity_of
from twin_assets.datasets.curation.overlap import SeenTexts, likeness_objection, normal_form
from twin_assets.datasets.curation.rows import (
    answer_of,
    is_general,
    objection_to_source,
    prompt_of,
    texts_by_id,
)
from twin_assets.datasets.curation.splitting import cluster_roots
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow, Split


def ungrounded_rows(rows: Sequence[Row], documents: Iterable[CleanedDocument]) -> list[Row]:
    """Return the rows whose answer (or chosen text) does not stand verbatim at its offsets in its own document.

    An answer that was written on a passage needs support by it instead; rows of a general set are passed over.
    """
    texts = texts_by_id(list(documents))
    return [row for row in rows if objection_to_source(row, texts)]


def documents_in_both_splits(
    rows: Sequence[InstructRow] | Sequence[PreferenceRow], documents: Iterable[CleanedDocument] = ()
) -> list[str]:
    """Return the ids of documents that have rows on more than one side of the split, in order.

    Args:
        rows: The dataset.
        documents: If given, a document counts together with those that nearly repeat it.
    """
    roots = cluster_roots(documents)
    splits: dict[str, set[Split]] = defaultdict(set)
    placed = [row for row in rows if not is_general(row)]
    for row in placed:
        splits[roots.get(row.document_id, row.document_id)].add(row.split)
    return sorted({row.document_id for row in placed if len(splits[roots.get(row.document_id, row.document_id)]) > 1})


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
    """Return the rows whose answer or whose instruction an earlier row has too, and the pairs that an earlier pair is.

    Pairs may share prompt and chosen text, if what is rejected differs.
    """
    seen: set[tuple[str, ...]] = set()
    repeated = []
    for row in rows:
        keys = set(identity_of(row).values())
        if seen & keys:
            repeated.append(row)
        seen |= keys
    return repeated


def nearly_duplicate_rows(rows: Sequence[Row], *, seed: int = 0) -> list[Row]:
    """Return the rows whose answer nearly repeats that of another one, see `duplicates.drop_near`."""
    kept, _ = drop_near(rows, seed=seed)
    whole = set(map(id, kept))
    return [row for row in rows if id(row) not in whole]


def chosen_like_rejected(rows: Sequence[PreferenceRow]) -> list[tuple[PreferenceRow, str]]:
    """Return the pairs whose texts are the same or nearly so, marks and capitals aside, each with what is wrong."""
    found = [(row, likeness_objection(row.chosen, row.rejected)) for row in rows]
    return [(row, objection) for row, objection in found if objection]
