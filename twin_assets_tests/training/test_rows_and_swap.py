"""What is refused before a model is loaded, and what a checkpoint's place looks like after a crash."""

import pytest

from twin_assets.training.payload.checkpoint import recover, replacing
from twin_assets.training.payload.rows import read_rows, spread
from twin_assets.training.spec import TrainingError
from twin_assets.training.storage import StorageError, local_folder
from twin_assets_tests.training.conftest import row_of, write_rows


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"answer": "  "}, "Row 1 of .* has no answer"),
        ({"split": "test"}, "Row 1 of .* belongs to the test side"),
    ],
)
def test_a_broken_row_is_named(broken, sentence, tmp_path):
    write_rows(tmp_path, "train", [row_of("sft", 0, "train"), {**row_of("sft", 1, "train"), **broken}])

    with pytest.raises(TrainingError, match=sentence):
        read_rows(tmp_path, "sft", split="train")


def test_a_missing_column_is_named(tmp_path):
    row = row_of("sft", 0, "train")
    write_rows(tmp_path, "train", [{name: value for name, value in row.items() if name != "generator"}])

    with pytest.raises(TrainingError, match="lacks the columns generator"):
        read_rows(tmp_path, "sft", split="train")


def test_an_empty_dataset_is_refused_but_an_absent_test_side_is_not(tmp_path):
    import pyarrow.parquet as pq

    write_rows(tmp_path, "train", [row_of("sft", 0, "train")])
    table = pq.read_table(tmp_path / "train.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "train.parquet")

    with pytest.raises(TrainingError, match="is empty"):
        read_rows(tmp_path, "sft", split="train")
    assert read_rows(tmp_path, "sft", split="test") == []


def test_a_file_that_is_not_parquet_is_named(tmp_path):
    (tmp_path / "train.parquet").write_text("not a table")

    with pytest.raises(TrainingError, match="cannot be read as Parquet"):
        read_rows(tmp_path, "sft", split="train")


def test_evaluation_rows_are_spread_over_the_whole_file():
    assert spread(range(100), 4) == [0, 25, 50, 75]
    assert spread(range(3), 4) == [0, 1, 2]


def test_a_failed_replacement_leaves_what_was_there(tmp_path):
    output = tmp_path / "model"
    output.mkdir()
    (output / "weights").write_text("old")

    def fail_halfway():
        with replacing(output) as folder:
            (folder / "weights").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()

    assert (output / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [output]


def test_a_crash_between_the_two_renames_is_undone(tmp_path):
    output, replaced, partial = (tmp_path / name for name in ("model", "model.replaced-7", "model.partial-7"))
    for folder, text in ((replaced, "old"), (partial, "new")):
        folder.mkdir()
        (folder / "weights").write_text(text)

    recover(output)

    assert (output / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [output]


def test_a_remote_folder_is_refused():
    with pytest.raises(StorageError, match="is not a local folder"):
        local_folder("s3://bucket/model")
