"""The manifest of a checkpoint: what every file holds, what it was trained from, and the numbers of the training.

`write_manifest` is the payload's last act before a checkpoint replaces its predecessor; all others read or verify.
Nothing here loads a model.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twin_assets.documents import content_hash
from twin_assets.errors import UserError
from twin_assets.training.spec import TrainingSpec

MANIFEST = "manifest.json"
HISTORY = "history.json"
ADAPTER = "adapter"
"""Names in the folder of a checkpoint, beside the model's and the tokenizer's own."""


class ManifestError(UserError):
    """A checkpoint that is not what its manifest says, or has none."""


class FileRecord(BaseModel):
    """One file of a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(description="SHA-256 of its bytes")
    size: int = Field(ge=0, description="Bytes")


class Manifest(BaseModel):
    """What a checkpoint is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: TrainingSpec = Field(
        description="What was asked for; the tracking run is left out, its address may hold a secret"
    )
    spec_hash: str = Field(description="Hash of everything in the spec that decides the result")
    libraries: dict[str, str] = Field(description="Version of every library that had a part in it")
    metrics: dict[str, float] = Field(description="Losses, rows, steps, tokens, seconds, parameters")
    trained_on: tuple[str, ...] | None = Field(
        default=None,
        description="Ids of the documents that its rows are from; None in a manifest that is older than this",
    )
    warnings: tuple[str, ...] = Field(
        default=(), description="What was not as it should be while it trained, and did not end the training"
    )
    files: dict[str, FileRecord] = Field(description="Every file of the folder but the manifest, by relative path")

    @property
    def data_version(self) -> str:
        """Hash of the model: weights, tokenizer and configuration, and nothing else.

        Equal weights give an equal version, however long the training took; the adapter does not count, because it is
        contained in the merged weights, nor does the log.
        """
        return content_hash({name: record.sha256 for name, record in self.files.items() if _is_of_the_model(name)})


def write_manifest(
    folder: Path,
    *,
    spec: TrainingSpec,
    libraries: dict[str, str],
    metrics: dict[str, float],
    trained_on: Iterable[str] | None = None,
    warnings: Iterable[str] = (),
) -> Manifest:
    """Hash every file in `folder` and write its manifest there.

    Raises:
        ManifestError: If a metric is not a finite number.
    """
    try:
        manifest = Manifest(
            spec=spec.model_copy(update={"tracking": None}),
            spec_hash=spec.spec_hash,
            libraries=dict(sorted(libraries.items())),
            metrics=metrics,
            trained_on=None if trained_on is None else tuple(sorted(set(trained_on))),
            warnings=tuple(warnings),
            files={name: _record(folder / name) for name in _names(folder)},
        )
        content_hash(manifest.metrics)
    except ValueError as error:
        raise ManifestError(f"The manifest of {folder} cannot be written: {error}.") from error
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a checkpoint, without a look at the files it names.

    Raises:
        ManifestError: If there is none, or it is not a manifest.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ManifestError(f"{folder} is not a checkpoint: it has no {MANIFEST}; train it first.")
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} is damaged: train the checkpoint again.") from error


def verify_manifest(folder: Path) -> Manifest:
    """Return the manifest of a checkpoint whose every file is as the manifest says.

    Raises:
        ManifestError: If a file is missing or changed, or one is there that the manifest does not name: a loader would
            pick up an adapter_config.json that somebody laid beside the weights.
    """
    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    return manifest


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Make sure that every file of a checkpoint is as its manifest says; it reads them all.

    Raises:
        ManifestError: If a file is missing, changed or foreign.
    """
    there = set(_names(folder))
    if missing := sorted(manifest.files.keys() - there):
        raise ManifestError(f"{folder} lacks {missing[0]}: train the checkpoint again.")
    if foreign := sorted(there - manifest.files.keys()):
        raise ManifestError(
            f"{folder} holds {foreign[0]}, which its manifest does not name: remove it, or train again."
        )
    for name, record in sorted(manifest.files.items()):
        if _record(folder / name) != record:
            raise ManifestError(f"{folder / name} was changed after the training: train the checkpoint again.")


def _is_of_the_model(name: str) -> bool:
    return "/" not in name and name != HISTORY


def _names(folder: Path) -> list[str]:
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name != MANIFEST)


def _record(path: Path) -> FileRecord:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return FileRecord(sha256=digest.hexdigest(), size=path.stat().st_size)
