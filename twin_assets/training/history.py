"""The log of a training, as the payload left it beside the model."""

import json
from pathlib import Path
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
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows
