"""The log of a training, as the payload left it beside the model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from twin_assets.training.manifest import HISTORY, ManifestError


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the logged rows of a checkpoint in order, each with `step` and what was measured there.

    Raises:
        ManifestError: If the checkpoint has no log.
    """
    path = folder / HISTORY
    if not path.is_file():
        raise ManifestError(f"{folder} has no {HISTORY}: train the checkpoint again.")
    return parse_history(path.read_text(encoding="utf-8"))


def parse_history(text: str) -> list[dict[str, Any]]:
    """Return the logged rows that the text of a log holds."""
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def loss_by_quarter(history: Sequence[Mapping[str, float]]) -> tuple[float, float] | None:
    """Return the mean training loss of the first and of the last quarter of a run.

    Means, because a single step's loss depends on which rows stood in its batch, by more than fine-tuning changes it.

    Returns:
        Both means; None if fewer than two losses were logged.
    """
    losses = [row["loss"] for row in history if "loss" in row]
    if len(losses) < 2:
        return None
    quarter = max(1, len(losses) // 4)
    return mean(losses[:quarter]), mean(losses[-quarter:])
