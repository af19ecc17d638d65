"""Trainings in the test's own process: no second start of torch, and what was trained is at hand."""

import json
from pathlib import Path

from twin_assets.training.manifest import Manifest, verify_manifest
from twin_assets.training.payload.rows import read_rows
from twin_assets.training.spec import TrainingSpec


class Listener:
    """A launcher that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def fail(self, message: str) -> None:
        self.lines.append(message)

    def finish(self, metadata: object, *, data_version: str) -> None:
        self.lines.append(data_version)


def train_here(spec: TrainingSpec, listener: Listener | None = None) -> Manifest:
    from twin_assets.training.payload.training import train_checkpoint

    folder = Path(spec.dataset_uri)
    train, test = (read_rows(folder, spec.stage, split=split) for split in ("train", "test"))
    train_checkpoint(spec, train, test, listener or Listener())
    return verify_manifest(Path(spec.output_uri))


def history_of(spec: TrainingSpec) -> list[dict[str, float]]:
    return json.loads((Path(spec.output_uri) / "history.json").read_text())
