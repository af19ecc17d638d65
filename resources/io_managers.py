"""IO managers: how rows and reports get from one asset to the next, through storage and never through memory.

The annotation of an asset's parameter says what is wanted: `list[Chunk]` is the table of the step's author,
`dict[str, list[Chunk]]` those of every author that has one, `StyleProfile` a report. No asset knows a path.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar, get_args, get_origin

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, Field
from upath import UPath

from resources.artifacts import ArtifactStore, refusals_told, writing
from resources.schemas import arrow_schema
from twin_assets.documents import SPLITS, Entity

Row = TypeVar("Row", bound=Entity)

EVERY_AUTHOR = dg.AssetIn(partition_mapping=dg.AllPartitionMapping())
"""An input that is read for every author, whichever is being built: annotate it as `dict[str, ...]`."""


class ArtifactIOManager(dg.ConfigurableIOManager):
    """The common part: which partitions are wanted, and of what type."""

    root: str = Field(description="Folder or s3:// address of all artifacts")

    suffix: str = Field(default="", description="Ending of the artifact's name")

    def path(self, asset_key: dg.AssetKey, author: str | None) -> UPath:
        """Return where the artifact of an asset and author lies."""
        return ArtifactStore(root=self.root).path(asset_key.path[-1], author, self.suffix)

    @abstractmethod
    def write(self, path: UPath, value: Any) -> None:
        """Store one artifact, whole or not at all."""

    @abstractmethod
    def read(self, path: UPath, kind: type[Any]) -> Any:
        """Load one artifact whose rows, or whose self, are of type `kind`."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Store what an asset returned."""
        author = context.partition_key if context.has_asset_partitions else None
        self.write(self.path(context.asset_key, author), obj)

    def load_input(self, context: dg.InputContext) -> Any:
        """Load what an asset asked for.

        Raises:
            FileNotFoundError: If the table of the one author that was asked for is missing.
        """
        wanted: Any = context.dagster_type.typing_type
        if get_origin(wanted) is not dict:
            author = context.partition_key if context.has_asset_partitions else None
            return self.read(self.path(context.asset_key, author), _kind(wanted))
        kind = _kind(get_args(wanted)[1])
        paths = {author: self.path(context.asset_key, author) for author in context.asset_partition_keys}
        missing = sorted(author for author, path in paths.items() if not path.exists())
        if missing:
            context.log.warning(f"{context.asset_key.to_user_string()} was not built yet for: {', '.join(missing)}")
        return {author: self.read(path, kind) for author, path in paths.items() if author not in missing}


class TableIOManager(ArtifactIOManager):
    """Rows of one entity as a Parquet file per author."""

    suffix: str = ".parquet"

    def write(self, path: UPath, value: Iterable[Entity]) -> None:
        """Write rows as Parquet; the columns are the entity's fields."""
        rows = list(value)
        with writing(path) as partial, refusals_told(path):
            write_rows(partial, rows)

    def read(self, path: UPath, kind: type[Entity]) -> list[Entity]:
        """Read rows of type `kind`."""
        return read_rows(path, kind)


class DatasetIOManager(ArtifactIOManager):
    """Rows with a `split` as a folder of one Parquet file per side, which `datasets.load_dataset` reads as it is."""

    def write(self, path: UPath, value: Iterable[Any]) -> None:
        """Write train.parquet, test.parquet and, if it has rows, validation.parquet.

        None takes its place before all are written.
        The moves are one after the other: a process that is killed between them, or two that write at once, can leave
        files of two writings side by side, until the asset is built again.

        Raises:
            ValueError: If there are no rows.
        """
        rows = list(value)
        if not rows:
            raise ValueError(f"No rows for {path.name}: an asset never stores an empty dataset.")
        # A new train split beside an old test split would let documents leak from one into the other.
        sides = {split: [row for row in rows if row.split == split] for split in SPLITS}
        with ExitStack() as all_of_them:
            for split, of_side in sides.items():
                file = path / f"{split}.parquet"
                if split == "validation" and not of_side:
                    # An empty file would keep `datasets.load_dataset` from reading the folder.
                    all_of_them.callback(file.unlink, missing_ok=True)
                    continue
                partial = all_of_them.enter_context(writing(file))
                with refusals_told(file):
                    write_rows(partial, of_side, kind=type(rows[0]))

    def read(self, path: UPath, kind: type[Entity]) -> list[Entity]:
        """Read the rows of all sides, train first; datasets of earlier releases have no validation side."""
        files = {split: path / f"{split}.parquet" for split in SPLITS}
        there = [file for split, file in files.items() if split != "validation" or file.exists()]
        return [row for file in there for row in read_rows(file, kind)]


class ReportIOManager(ArtifactIOManager):
    """One pydantic model as a JSON file per author."""

    suffix: str = ".json"

    def write(self, path: UPath, value: BaseModel) -> None:
        """Write the model as indented JSON."""
        ArtifactStore(root=self.root).write_text(path, value.model_dump_json(indent=2) + "\n")

    def read(self, path: UPath, kind: type[BaseModel]) -> BaseModel:
        """Read a model of type `kind`."""
        return kind.model_validate_json(path.read_text(encoding="utf-8"))


def write_rows(path: UPath, rows: Sequence[Entity], *, kind: type[Entity] | None = None) -> None:
    """Write rows as one Parquet file.

    Raises:
        ValueError: If there are no rows and `kind` does not say what they would be: an empty table is an error.
    """
    if not rows and kind is None:
        raise ValueError(f"No rows for {path.name}: an asset never stores an empty table.")
    schema = arrow_schema(kind or type(rows[0]))
    table = pa.Table.from_pylist([row.model_dump() for row in rows], schema=schema)
    with path.open("wb") as file:
        pq.write_table(table, file, compression="zstd")


def read_rows(path: UPath, kind: type[Row]) -> list[Row]:
    """Read the rows of one Parquet file.

    Columns that `kind` does not know are passed over, so that an older reader can use a newer table.
    """
    with path.open("rb") as file:
        rows: list[Mapping[str, Any]] = pq.read_table(file, columns=list(kind.model_fields)).to_pylist()
    return [kind.model_validate(row) for row in rows]


def _kind(annotation: Any) -> type[Any]:
    kind: type[Any] = get_args(annotation)[0] if get_origin(annotation) is list else annotation
    return kind
