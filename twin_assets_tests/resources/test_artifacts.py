"""Artifacts: where they lie, and that they are written whole or not at all."""

import os
from pathlib import Path

import pytest
from upath import UPath

from resources.artifacts import ArtifactStore, writing
from twin_assets.errors import UserError
from twin_assets.settings import Settings


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(root=str(tmp_path / "artifacts"))


def _write_half(path):
    with writing(path) as partial, partial.open("w") as file:
        file.write("half of the n")
        raise ZeroDivisionError


def test_artifacts_lie_where_the_public_contract_says(store, tmp_path):
    root = tmp_path / "artifacts"
    assert str(store.path("chunks", "ann", ".parquet")) == str(root / "chunks" / "ann.parquet")
    assert str(store.path("eval_report", "ann", ".html")) == str(root / "eval_report" / "ann.html")
    assert str(store.path("leaderboard", suffix=".json")) == str(root / "leaderboard.json")
    assert store.folder("sft_checkpoint", "ann") == root / "sft_checkpoint" / "ann"
    assert store.folder("base_model") == root / "base_model"


def test_the_root_is_what_the_settings_say(own_home):
    assert ArtifactStore.from_settings(Settings()).root == str(own_home / "artifacts")
    assert ArtifactStore.from_settings(Settings(artifacts_uri="s3://bucket/twin")).root == "s3://bucket/twin"


def test_a_checkpoint_that_an_object_store_does_not_hold_is_said_to_be_missing(tmp_path):
    store = ArtifactStore(root="memory://bucket", cache=str(tmp_path / "cache"))
    with pytest.raises(UserError, match="train it first"):
        store.folder("sft_checkpoint", "ann")


def test_a_text_is_written_with_its_folders_and_replaced(store, tmp_path):
    path = store.path("report", "ann", ".html")
    store.write_text(path, "Zoë\n")
    store.write_text(path, "Bob\n")
    assert path.read_text(encoding="utf-8") == "Bob\n"
    assert [file.name for file in (tmp_path / "artifacts" / "report").iterdir()] == ["ann.html"]


def test_readers_see_the_old_artifact_until_the_new_one_is_complete(store):
    path = store.path("report", "ann", ".html")
    store.write_text(path, "old")
    with writing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_an_artifact_outlives_a_writer_that_fails_half_way(store):
    path = store.path("report", "ann", ".html")
    store.write_text(path, "old")
    with pytest.raises(ZeroDivisionError):
        _write_half(path)
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["ann.html"]


def test_an_artifact_outlives_a_full_disk_which_is_said_in_one_sentence(store, full_disk):
    path = store.path("report", "ann", ".html")
    store.write_text(path, "old")
    with full_disk(at=10_000), pytest.raises(UserError) as caught:
        store.write_text(path, "new" * 100_000)
    assert str(caught.value) == (
        f"{path} could not be written (File too large): mend that and run again; "
        "what stood there before is still whole."
    )
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["ann.html"]


def test_two_that_write_one_artifact_at_once_do_not_meet(store):
    path = store.path("report", "ann", ".html")
    with writing(path) as first, writing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"
    assert [file.name for file in path.parent.iterdir()] == ["ann.html"]


def test_what_a_killed_process_left_is_removed_when_it_is_old_and_that_of_others_stays(store):
    path = store.path("report", "ann", ".html")
    store.write_text(path, "old")
    left, young, foreign = (
        Path(path.path).with_name(name)
        for name in (".ann.html.1.partial", ".ann.html.2.partial", ".bob.html.1.partial")
    )
    for file in (left, young, foreign):
        file.write_text("half of the n")
    for file in (left, foreign):
        os.utime(file, (0, 0))
    store.write_text(path, "new")
    assert not left.exists()
    assert young.exists()
    assert foreign.exists()


def test_an_error_of_who_writes_is_not_renamed(store):
    path = store.path("report", "ann", ".html")
    with pytest.raises(ConnectionResetError), writing(path):
        raise ConnectionResetError
    with pytest.raises(ConnectionResetError), writing(ArtifactStore(root="memory://bucket/twin").path("report")):
        raise ConnectionResetError


def test_a_place_that_cannot_be_written_is_said_in_one_sentence(store, tmp_path):
    (tmp_path / "artifacts").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="could not be written"):
        store.write_text(store.path("report", "ann", ".html"), "new")


def test_an_object_store_gets_an_artifact_when_it_is_complete_and_keeps_the_old_one_until_then():
    path = ArtifactStore(root="memory://bucket/twin").path("report", "ann", ".html")
    with writing(path) as whole:
        whole.write_text("old")
    assert path.read_text() == "old"
    with pytest.raises(ZeroDivisionError):
        _write_half(path)
    assert path.read_text() == "old"
    with writing(path) as whole:
        whole.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert not Path(whole.path).exists()


def test_a_root_that_is_a_file_address_is_local(tmp_path):
    store = ArtifactStore(root=f"file://{tmp_path}")
    store.write_text(store.path("report", "ann", ".html"), "text")
    assert (tmp_path / "report" / "ann.html").read_text() == "text"
    assert store.folder("sft_checkpoint", "ann") == tmp_path / "sft_checkpoint" / "ann"
    assert isinstance(store.path("report"), UPath)
