"""Where artifacts lie, and how they are written whole: tables, datasets, checkpoints and reports.

The layout is the public contract of the platform:

    <root>/<asset>/<author>.parquet            tables
    <root>/<asset>/<author>/{train,test}.parquet   datasets
    <root>/<asset>/<author>/                   checkpoints, each with a manifest.json
    <root>/<asset>/<author>.json and .html     reports

An asset without partitions leaves the author out. What stands in an artifact is not this module's business.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import Field
from upath import UPath

from twin_assets.errors import UserError
from twin_assets.settings import Settings


class ArtifactStore(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A folder, or an object store, that holds every artifact."""

    root: str = Field(description="Folder or s3:// address of all artifacts")

    @classmethod
    def from_settings(cls, settings: Settings) -> "ArtifactStore":
        """Configure the store that the settings name."""
        return cls(root=settings.artifacts_root)

    def path(self, asset: str, author: str | None = None, suffix: str = "") -> UPath:
        """Return where an artifact lies; `suffix` such as '.parquet' or '.html', none for a folder."""
        return UPath(self.root) / (f"{asset}/{author}{suffix}" if author else f"{asset}{suffix}")

    def folder(self, asset: str, author: str | None = None) -> Path:
        """Return the local folder of a checkpoint.

        Raises:
            UserError: If the store is not on this machine: models are loaded from local folders only.
        """
        path = self.path(asset, author)
        if path.protocol not in {"", "file"}:
            raise UserError(f"{path} is not a folder of this machine, as checkpoints need: set TWIN_ARTIFACTS_URI.")
        return Path(path.path)

    def write_text(self, path: UPath, text: str) -> None:
        """Write a text whole or not at all."""
        with writing(path) as partial:
            partial.write_text(text, encoding="utf-8")


@contextmanager
def writing(path: UPath) -> Iterator[UPath]:
    """Give a place to write to, and move it to `path` when the block ends well.

    What stood at `path` stays whole until then, and for good if the block raises: a full disk costs the new artifact,
    never the old one. For an object store the place is a local file, which is sent when it is complete.

    Raises:
        UserError: If the file system refuses: it is full, or may not be written.
    """
    try:
        if path.protocol not in {"", "file"}:
            with tempfile.TemporaryDirectory() as folder:
                yield (whole := UPath(folder) / path.name)
                path.fs.put_file(whole.path, path.path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        try:
            yield partial
            Path(partial.path).replace(path.path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} could not be written ({error.strerror or error}): mend that and run again; what stood there "
            "before is still whole."
        ) from error
