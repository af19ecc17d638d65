"""Checks of the dataset stage: grounded, split by document, nothing twice. All of them block.

The first is one of `cleaned_documents`, which it stops where they cannot be split; it stands here because only datasets
split them.
"""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from resources.project import Project
from twin_assets.checks import none_of, verdict
from twin_assets.datasets.assets import instruct_dataset, preference_dataset
from twin_assets.datasets.curation.faults import (
    answers_in_both_splits,
    chosen_equal_rejected,
    documents_in_both_splits,
    duplicate_rows,
    prompts_in_both_splits,
    ungrounded_rows,
)
from twin_assets.datasets.curation.splitting import split_documents
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow
from twin_assets.errors import UserError
from twin_assets.features.assets import cleaned_documents
from twin_assets.partitions import authors_partitions

WITH_DOCUMENTS = {"cleaned_documents": dg.AssetIn("cleaned_documents")}
"""What a check needs that compares rows with the text they come from."""

MIN_TRAIN_ROWS = 20
"""Fewest rows worth training on: 20 are two or three batches of the default size, and are learnt by heart."""


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions, blocking=True)
def enough_text(cleaned_documents: list[CleanedDocument], project: Project) -> dg.AssetCheckResult:
    """There are documents and words enough to hold some back for evaluation."""
    try:
        split = split_documents(cleaned_documents, project.split_rule)
    except UserError as error:
        return dg.AssetCheckResult(passed=False, description=str(error))
    held_out = sum(side == "test" for side in split.values())
    return verdict(
        passed=True,
        expected="documents on both sides",
        actual=f"{len(split) - held_out} to train on, {held_out} held out",
    )


@dg.asset_check(
    asset=instruct_dataset,
    partitions_def=authors_partitions,
    blocking=True,
    additional_ins=WITH_DOCUMENTS,
    name="grounded",
)
def instruct_is_grounded(
    instruct_dataset: list[InstructRow], cleaned_documents: list[CleanedDocument]
) -> dg.AssetCheckResult:
    """Each answer stands verbatim at its offsets in the author's cleaned document."""
    return none_of(_names(ungrounded_rows(instruct_dataset, cleaned_documents)), what="ungrounded answer")


@dg.asset_check(
    asset=instruct_dataset,
    partitions_def=authors_partitions,
    blocking=True,
    additional_ins=WITH_DOCUMENTS,
    name="split_by_document",
)
def instruct_is_split_by_document(
    instruct_dataset: list[InstructRow], cleaned_documents: list[CleanedDocument]
) -> dg.AssetCheckResult:
    """No document or near-duplicate of it, no instruction and no answer stands in both train and test."""
    return none_of(
        [
            *documents_in_both_splits(instruct_dataset, cleaned_documents),
            *_names(answers_in_both_splits(instruct_dataset)),
            *_names(prompts_in_both_splits(instruct_dataset)),
        ],
        what="document, instruction or answer on both sides of the split",
    )


@dg.asset_check(asset=instruct_dataset, partitions_def=authors_partitions, blocking=True, name="no_duplicates")
def instruct_has_no_duplicates(instruct_dataset: list[InstructRow]) -> dg.AssetCheckResult:
    """No answer occurs twice."""
    return none_of(_names(duplicate_rows(instruct_dataset)), what="row that occurs twice")


@dg.asset_check(asset=instruct_dataset, partitions_def=authors_partitions, blocking=True, name="enough_rows")
def instruct_has_enough_rows(instruct_dataset: list[InstructRow]) -> dg.AssetCheckResult:
    """There are rows to train on, and rows held out."""
    return _enough(instruct_dataset)


@dg.asset_check(
    asset=preference_dataset,
    partitions_def=authors_partitions,
    blocking=True,
    additional_ins=WITH_DOCUMENTS,
    name="grounded",
)
def preference_is_grounded(
    preference_dataset: list[PreferenceRow], cleaned_documents: list[CleanedDocument]
) -> dg.AssetCheckResult:
    """Each chosen text stands verbatim at its offsets in the author's cleaned document."""
    return none_of(_names(ungrounded_rows(preference_dataset, cleaned_documents)), what="ungrounded chosen text")


@dg.asset_check(
    asset=preference_dataset,
    partitions_def=authors_partitions,
    blocking=True,
    additional_ins=WITH_DOCUMENTS,
    name="split_by_document",
)
def preference_is_split_by_document(
    preference_dataset: list[PreferenceRow], cleaned_documents: list[CleanedDocument]
) -> dg.AssetCheckResult:
    """No document or near-duplicate of it, no prompt and no chosen text stands in both train and test."""
    return none_of(
        [
            *documents_in_both_splits(preference_dataset, cleaned_documents),
            *_names(answers_in_both_splits(preference_dataset)),
            *_names(prompts_in_both_splits(preference_dataset)),
        ],
        what="document, prompt or chosen text on both sides of the split",
    )


@dg.asset_check(asset=preference_dataset, partitions_def=authors_partitions, blocking=True, name="chosen_differs")
def chosen_differs_from_rejected(preference_dataset: list[PreferenceRow]) -> dg.AssetCheckResult:
    """No pair prefers a text to itself."""
    return none_of(_names(chosen_equal_rejected(preference_dataset)), what="pair of equal texts")


@dg.asset_check(asset=preference_dataset, partitions_def=authors_partitions, blocking=True, name="enough_rows")
def preference_has_enough_rows(preference_dataset: list[PreferenceRow]) -> dg.AssetCheckResult:
    """There are pairs to train on, and pairs held out."""
    return _enough(preference_dataset)


def _names(rows: Sequence[InstructRow] | Sequence[PreferenceRow]) -> list[str]:
    return [f"{row.document_id}[{row.start}:{row.end}]" for row in rows]


def _enough(rows: Sequence[InstructRow] | Sequence[PreferenceRow]) -> dg.AssetCheckResult:
    splits = Counter(row.split for row in rows)
    return verdict(
        passed=splits["train"] >= MIN_TRAIN_ROWS and splits["test"] > 0,
        expected=f"at least {MIN_TRAIN_ROWS} rows in train and 1 in test",
        actual=f"{splits['train']} in train, {splits['test']} in test",
    )
