"""Where artifacts lie, and how they are written whole: tables, datasets, checkpoints and reports.

The layout is the public contract of the platform:

    <root>/<asset>/<author>.parquet            tables
    <root>/<asset>/<author>/{train,test}.parquet   datasets
    <root>/<asset>/<author>/                   checkpoints, each with a manifest.json
    <root>/<asset>/<author>.json and .html     reports

An asset without partitions leaves the author out. What stands in an artifact is not this module's business.
"""

import glob
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
from pydantic import Field
from upath import UPath

from twin_assets.errors import UserError
from twin_assets.settings import Settings
from twin_assets.training.manifest import Manifest
from twin_assets.training.storage import checkpoint_manifest, fetch_checkpoint, is_remote, place

SCRATCH_SECONDS = 7 * 24 * 3600
"""Age after which what lies in a scratch place was left by a process that was killed."""


class ArtifactStore(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A folder, or an object store, that holds every artifact."""

    root: str = Field(description="Folder or s3:// address of all artifacts")
    cache: str = Field(default="", description="Folder that keeps checkpoints fetched from an object store")
    launches: str = Field(
        default="", description="Folder of what lies beside the jobs of a remote trainer: launches/ here without it"
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> "ArtifactStore":
        """Configure the store that the settings name."""
        return cls(
            root=settings.artifacts_root,
            cache=str(settings.home / "cache" / "checkpoints"),
            launches=settings.launches_root,
        )

    def path(self, asset: str, author: str | None = None, suffix: str = "") -> UPath:
        """Return where an artifact lies; `suffix` such as '.parquet' or '.html', none for a folder."""
        return place(self.root) / (f"{asset}/{author}{suffix}" if author else f"{asset}{suffix}")

    def address(self, asset: str, author: str | None = None) -> str:
        """Return where a dataset or checkpoint lies, as a training spec names it."""
        path = self.path(asset, author)
        return str(path) if is_remote(str(path)) else str(Path(path.path))

    def folder(self, asset: str, author: str | None = None) -> Path:
        """Return the folder of a checkpoint on this machine; from an object store it is fetched, once, and verified.

        Raises:
            ManifestError: If an object store holds no such checkpoint.
        """
        return self.at_hand(self.address(asset, author))

    def at_hand(self, address: str) -> Path:
        """Return the folder on this machine of the checkpoint at an address, fetched first if need be.

        Raises:
            ManifestError: If an object store holds no checkpoint there.
        """
        return fetch_checkpoint(address, Path(self.cache))

    def loadable(self, model: str) -> str:
        """Return what `from_pretrained` can load: a model of an object store is fetched, a path or hub id is itself.

        Raises:
            ManifestError: If an object store holds no checkpoint there.
        """
        return str(self.at_hand(model)) if is_remote(model) else model

    def manifest(self, asset: str, author: str | None = None) -> Manifest:
        """Return the manifest of a checkpoint; nothing else of it is read.

        Raises:
            ManifestError: If there is no such checkpoint.
        """
        return checkpoint_manifest(self.address(asset, author))

    def write_text(self, path: UPath, text: str) -> None:
        """Write a text whole or not at all."""
        with writing(path) as partial, refusals_told(path):
            partial.write_text(text, encoding="utf-8")


@contextmanager
def writing(path: UPath) -> Iterator[UPath]:
    """Give a place to write to, and move it to `path` when the block ends well.

    What stood at `path` stays whole until then, and for good if the block raises: a full disk costs the new artifact,
    never the old one. The place is this block's own, so that of two runs that write one artifact the later one counts,
    whole. For an object store it is a local file, which is sent when it is complete. Put what writes there under
    `refusals_told(path)`; other errors of the block are not this function's to rename.

    Raises:
        UserError: If the file system refuses the place, or the move.
    """
    if path.protocol not in {"", "file"}:
        with tempfile.TemporaryDirectory() as folder:
            yield (whole := UPath(folder) / path.name)
            with refusals_told(path):
                path.fs.put_file(whole.path, path.path)
        return
    with refusals_told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(scratch_beside(Path(path.path)).name)
    try:
        yield partial
        with refusals_told(path):
            Path(partial.path).replace(path.path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def refusals_told(path: UPath) -> Iterator[None]:
    """Turn what the file system says of writing `path` into a sentence.

    Raises:
        UserError: If it refuses: it is full, or may not be written.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} could not be written ({error.strerror or error}): mend that and run again; what stood there "
            "before is still whole."
        ) from error


def scratch_beside(path: Path) -> Path:
    """Return a hidden place beside `path` that no other process or call is given.

    What a killed process left in such a place is removed after a week, which no step takes.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > SCRATCH_SECONDS:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
