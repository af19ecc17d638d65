"""IO managers: what an asset returns is what the next one reads, per author, through storage."""

import random
import string

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel
from upath import UPath

from resources.io_managers import (
    EVERY_AUTHOR,
    DatasetIOManager,
    ReportIOManager,
    TableIOManager,
    read_rows,
    write_rows,
)
from resources.schemas import arrow_schema
from twin_assets.documents import Chunk, InstructRow
from twin_assets.errors import UserError
from twin_assets.partitions import authors_partitions


class Report(BaseModel):
    author: str
    score: float


def chunk(text, author="ann", position=0):
    return Chunk(
        chunk_id=f"{author}-{position}",
        document_id="d",
        author=author,
        category="articles",
        position=position,
        headings=["One", "Zwölf"],
        text=text,
        start=0,
        end=len(text),
        n_tokens=3,
    )


def instruct(number, split):
    return InstructRow(
        instruction=f"Question {number}?",
        answer="An answer.",
        author="ann",
        category="posts",
        document_id=f"d{number}",
        start=0,
        end=10,
        generator="templates-1",
        prompt_hash="h",
        split=split,
    )


def incompressible():
    return "".join(random.Random(0).choices(string.ascii_letters, k=50_000))  # noqa: S311 - not for a secret


@pytest.fixture
def run(tmp_path):
    """Materialize assets, as Dagster does, with all three IO managers on one folder of the test."""
    root = str(tmp_path / "artifacts")
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions("authors", ["ann", "bob", "cy"])
    resources = {
        "tables": TableIOManager(root=root),
        "datasets": DatasetIOManager(root=root),
        "reports": ReportIOManager(root=root),
    }

    def materialize(assets, author=None, selection=None):
        return dg.materialize(assets, instance=instance, resources=resources, partition_key=author, selection=selection)

    return materialize


@dg.asset(partitions_def=authors_partitions, io_manager_key="tables")
def chunks(context: dg.AssetExecutionContext) -> list[Chunk]:
    author = context.partition_key
    return [chunk(f"Text of {author}", author, position) for position in range(2)]


@dg.asset(partitions_def=authors_partitions, io_manager_key="datasets")
def dataset() -> list[InstructRow]:
    return [instruct(1, "test"), instruct(2, "train"), instruct(3, "train")]


@dg.asset(partitions_def=authors_partitions, io_manager_key="reports")
def report(context: dg.AssetExecutionContext) -> Report:
    return Report(author=context.partition_key, score=0.5)


def test_an_asset_reads_the_table_the_dataset_and_the_report_of_its_author(run, tmp_path):
    read = {}

    @dg.asset(partitions_def=authors_partitions)
    def reader(chunks: list[Chunk], dataset: list[InstructRow], report: Report) -> None:
        read.update(chunks=chunks, dataset=dataset, report=report)

    for author in ("bob", "ann"):
        assert run([chunks, dataset, report, reader], author).success
    assert read["chunks"] == [chunk("Text of ann", "ann", 0), chunk("Text of ann", "ann", 1)]
    assert [(row.instruction, row.split) for row in read["dataset"]] == [
        ("Question 2?", "train"),
        ("Question 3?", "train"),
        ("Question 1?", "test"),
    ]
    assert read["report"] == Report(author="ann", score=0.5)
    files = {str(path.relative_to(tmp_path / "artifacts")) for path in (tmp_path / "artifacts").rglob("*.*")}
    assert files >= {"chunks/ann.parquet", "dataset/ann/train.parquet", "dataset/ann/test.parquet", "report/ann.json"}
    assert files >= {"chunks/bob.parquet", "report/bob.json"}


def test_an_asset_of_all_authors_reads_those_who_have_a_table(run):
    read = {}

    @dg.asset(ins={"chunks": EVERY_AUTHOR})
    def reader(chunks: dict[str, list[Chunk]]) -> None:
        read.update(chunks)

    for author in ("bob", "ann"):
        run([chunks], author)
    assert run([chunks, reader], selection=["reader"]).success
    assert {author: rows[0].text for author, rows in read.items()} == {"ann": "Text of ann", "bob": "Text of bob"}


def test_a_missing_table_fails_and_is_never_an_empty_list(run):
    @dg.asset(partitions_def=authors_partitions)
    def reader(chunks: list[Chunk]) -> None:
        raise AssertionError("read nothing as something")

    with pytest.raises(FileNotFoundError, match=r"ann\.parquet"):
        run([chunks, reader], "ann", selection=["reader"])


@pytest.mark.parametrize("manager", [TableIOManager, DatasetIOManager])
def test_an_empty_table_or_dataset_is_refused_and_the_earlier_one_stays(tmp_path, manager):
    manager, path = manager(root=str(tmp_path)), UPath(tmp_path / "ann")
    manager.write(path, [instruct(1, "train"), instruct(2, "test")])
    with pytest.raises(ValueError, match=r"No rows for .*: an asset never stores an empty"):
        manager.write(path, [])
    assert len(manager.read(path, InstructRow)) == 2


def test_a_dataset_without_test_rows_has_an_empty_test_split_of_the_same_columns(tmp_path):
    manager, path = DatasetIOManager(root=str(tmp_path)), UPath(tmp_path / "ann")
    manager.write(path, [instruct(1, "train")])
    assert pq.read_schema(tmp_path / "ann" / "test.parquet").equals(arrow_schema(InstructRow))
    assert manager.read(path, InstructRow) == [instruct(1, "train")]


def test_a_dataset_can_be_loaded_as_it_lies(tmp_path):
    import datasets

    DatasetIOManager(root=str(tmp_path)).write(UPath(tmp_path / "ann"), [instruct(1, "train"), instruct(2, "test")])
    loaded = datasets.load_dataset("parquet", data_dir=str(tmp_path / "ann"), cache_dir=str(tmp_path / "cache"))
    assert {split: rows["instruction"][:] for split, rows in loaded.items()} == {
        "train": ["Question 1?"],
        "test": ["Question 2?"],
    }


def test_a_dataset_outlives_a_full_disk_with_both_of_its_splits(tmp_path, full_disk):
    manager, path = DatasetIOManager(root=str(tmp_path)), UPath(tmp_path / "ann")
    manager.write(path, [instruct(1, "train"), instruct(2, "test")])
    # The documents change sides, and only the second file is too large for the disk.
    swapped = [instruct(2, "train"), instruct(1, "test").model_copy(update={"answer": incompressible()})]
    with full_disk(at=20_000), pytest.raises(UserError, match=r"test\.parquet could not be written"):
        manager.write(path, swapped)
    assert manager.read(path, InstructRow) == [instruct(1, "train"), instruct(2, "test")]
    assert sorted(file.name for file in path.iterdir()) == ["test.parquet", "train.parquet"]


def test_a_table_outlives_a_full_disk(tmp_path, full_disk):
    manager, path = TableIOManager(root=str(tmp_path)), UPath(tmp_path / "chunks" / "ann.parquet")
    manager.write(path, [chunk("old")])
    with full_disk(at=10_000), pytest.raises(UserError, match=r"ann\.parquet could not be written \(File too large\)"):
        manager.write(path, [chunk(incompressible())])
    assert manager.read(path, Chunk) == [chunk("old")]
    assert [file.name for file in path.parent.iterdir()] == ["ann.parquet"]


def test_an_older_reader_passes_over_newer_columns(tmp_path):
    path = UPath(tmp_path / "table.parquet")
    write_rows(path, [chunk("text")])
    table = pq.read_table(tmp_path / "table.parquet")
    pq.write_table(table.append_column("mood", pa.array(["calm"])), tmp_path / "table.parquet")
    assert read_rows(path, Chunk) == [chunk("text")]
