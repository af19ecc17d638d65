"""The rows a stage trains on, read from Parquet and held to their contract.

A missing file or column, an empty dataset, a blank text or a row from the wrong side of the split ends the training
here, before any model is loaded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from twin_assets.documents import InstructRow, PreferenceRow
from twin_assets.training.hyperparameters import Hyperparameters, PretrainHyperparameters
from twin_assets.training.spec import Stage, TrainingError

Rows = list[dict[str, Any]]
Item = TypeVar("Item")


def _required(row: type[InstructRow] | type[PreferenceRow]) -> tuple[str, ...]:
    return tuple(name for name, field in row.model_fields.items() if field.is_required())


COLUMNS: dict[Stage, tuple[str, ...]] = {
    "pretrain": ("text", "author", "document_id"),
    "sft": _required(InstructRow),
    "dpo": _required(PreferenceRow),
}
"""The columns that a dataset must have. More may be there and are not read: how a row came about, what it cost."""

TEXTS: dict[Stage, tuple[str, ...]] = {
    "pretrain": ("text",),
    "sft": ("instruction", "answer"),
    "dpo": ("prompt", "chosen", "rejected"),
}
"""The columns that must not be blank."""


def read_rows(folder: Path, stage: Stage, *, split: str) -> Rows:
    """Read `train.parquet`, `test.parquet` or `validation.parquet` from a dataset folder.

    Returns:
        The rows, in the file's order, with the columns that they must have. Empty if the file is not there; only
        `train.parquet` must be.

    Raises:
        TrainingError: If the rows break their contract.
    """
    path = folder / f"{split}.parquet"
    if not path.is_file():
        if split != "train":
            return []
        raise TrainingError(f"{path} does not exist: build the dataset before training on it.")
    try:
        there = pq.read_schema(path).names
        missing = [column for column in COLUMNS[stage] if column not in there]
        if missing:
            raise TrainingError(f"{path} lacks the columns {', '.join(missing)}: {stage} needs them.")
        rows: Rows = pq.read_table(path, columns=list(COLUMNS[stage])).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise TrainingError(f"{path} cannot be read as Parquet: build the dataset again ({error}).") from error
    if split == "train" and not rows:
        raise TrainingError(f"{path} is empty: there is nothing to train on.")
    for number, row in enumerate(rows):
        _check_row(row, stage, split, f"Row {number} of {path}")
    return rows


def patience_of(settings: Hyperparameters) -> int:
    """Return after how many evaluations without a lower loss a training ends; 0 for never."""
    return 0 if isinstance(settings, PretrainHyperparameters) else settings.early_stopping_patience


def read_rows_for_choosing(folder: Path, stage: Stage, *, patience: int) -> Rows:
    """Read the rows by which a training that may end early chooses its weights.

    Returns:
        The rows of `validation.parquet`; none if the training may not end early.

    Raises:
        TrainingError: If it may, and there are none.
    """
    rows = read_rows(folder, stage, split="validation") if patience else []
    if patience and not rows:
        raise TrainingError(
            "early_stopping_patience is set, but the dataset has no validation rows to choose by, as is so for a small "
            "one: set it to 0, or collect more documents."
        )
    return rows


def spread(rows: Sequence[Item], limit: int) -> list[Item]:
    """Return at most `limit` rows, evenly spaced over all of them, in order."""
    if len(rows) <= limit:
        return list(rows)
    return [rows[index * len(rows) // limit] for index in range(limit)]


def _check_row(row: dict[str, Any], stage: Stage, split: str, which: str) -> None:
    blank = [column for column in TEXTS[stage] if not (row[column] or "").strip()]
    if blank:
        raise TrainingError(f"{which} has no {blank[0]}: drop it from the dataset.")
    if row.get("split", split) != split:
        raise TrainingError(f"{which} belongs to the {row['split']} side: build the dataset again.")
    if stage == "dpo" and row["chosen"] == row["rejected"]:
        raise TrainingError(f"{which} prefers a text to itself: drop it from the dataset.")
