"""Checkpoints and datasets in an object store: published whole or not at all, fetched once, and verified."""

from pathlib import Path

import boto3
import pytest

from twin_assets.training import storage
from twin_assets.training.base import version_of
from twin_assets.training.manifest import ManifestError, write_manifest
from twin_assets.training.payload.launcher import ConsoleLauncher
from twin_assets.training.payload.places import brought_here
from twin_assets.training.spec import TrainingError
from twin_assets.training.storage import (
    StorageError,
    checkpoint_history,
    checkpoint_manifest,
    fetch_checkpoint,
    publish_checkpoint,
    remove_folder,
    verified_checkpoint,
)
from twin_assets_tests.training.conftest import spec_for, train

ADDRESS = "sft_checkpoint/ann"


def checkpoint(folder: Path, weights: bytes) -> Path:
    (folder / "adapter").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"adapter")
    (folder / "history.json").write_text('[{"step": 1.0, "loss": 2.0}]')
    write_manifest(folder, spec=spec_for("pretrain", folder, folder), libraries={}, metrics={"train_loss": 2.0})
    return folder


def keys() -> list[str]:
    listed = boto3.client("s3").list_objects_v2(Bucket="twin").get("Contents", [])
    return sorted(item["Key"] for item in listed)


@pytest.fixture
def address(bucket: str) -> str:
    return f"{bucket}/{ADDRESS}"


def test_what_is_published_is_fetched_as_it_was(tmp_path, address):
    publish_checkpoint(checkpoint(tmp_path / "trained", b"weights"), address)

    folder = fetch_checkpoint(address, tmp_path / "cache")

    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert (folder / "adapter" / "adapter_model.safetensors").read_bytes() == b"adapter"
    assert verified_checkpoint(address) == checkpoint_manifest(address)
    assert checkpoint_history(address) == [{"step": 1.0, "loss": 2.0}]


def test_a_second_fetch_asks_for_the_manifest_alone(tmp_path, address, monkeypatch):
    publish_checkpoint(checkpoint(tmp_path / "trained", b"weights"), address)
    first = fetch_checkpoint(address, tmp_path / "cache")
    monkeypatch.setattr(storage, "_fetch", lambda *_: pytest.fail("something was fetched"))
    assert fetch_checkpoint(address, tmp_path / "cache") == first


def test_the_predecessor_stays_in_force_until_the_last_file_is_there(tmp_path, address, monkeypatch):
    publish_checkpoint(checkpoint(tmp_path / "old", b"old"), address)

    def interrupted(folder: Path, target: str) -> None:
        boto3.client("s3").put_object(Bucket="twin", Key=f"{ADDRESS}/{Path(target).name}/model.safetensors", Body=b"n")
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "publish_folder", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish_checkpoint(checkpoint(tmp_path / "new", b"new"), address)

    assert (fetch_checkpoint(address, tmp_path / "cache") / "model.safetensors").read_bytes() == b"old"
    assert verified_checkpoint(address)


def test_a_new_checkpoint_leaves_its_predecessor_and_none_before_it(tmp_path, address):
    for name in ("first", "second", "third"):
        publish_checkpoint(checkpoint(tmp_path / name, name.encode()), address)
    assert len({key.split("/")[2] for key in keys()} - {"manifest.json"}) == 2
    assert (fetch_checkpoint(address, tmp_path / "cache") / "model.safetensors").read_bytes() == b"third"


def test_the_cache_keeps_the_newest_of_an_address_only(tmp_path, address):
    for name in ("first", "second"):
        publish_checkpoint(checkpoint(tmp_path / name, name.encode()), address)
        fetch_checkpoint(address, tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*/*/model.safetensors"))) == 1


def test_a_file_that_was_changed_in_the_store_is_not_taken_for_the_checkpoint(tmp_path, address):
    publish_checkpoint(checkpoint(tmp_path / "trained", b"weights"), address)
    key = next(key for key in keys() if key.endswith("/model.safetensors"))
    boto3.client("s3").put_object(Bucket="twin", Key=key, Body=b"weighty")  # As long as before.
    with pytest.raises(ManifestError, match="was changed"):
        fetch_checkpoint(address, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*/*"))
    boto3.client("s3").delete_object(Bucket="twin", Key=key)
    with pytest.raises(ManifestError, match="lacks model"):
        verified_checkpoint(address)


def test_a_checkpoint_that_is_not_there_is_told_from_a_store_that_does_not_answer(tmp_path, address, monkeypatch):
    with pytest.raises(ManifestError, match="train it first"):
        fetch_checkpoint(address, tmp_path / "cache")
    monkeypatch.setattr(storage, "PATIENCE", {"retries": {"mode": "standard", "max_attempts": 1}})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="cannot be read"):
        checkpoint_manifest(address)


def test_removing_what_is_not_there_is_no_error(address, tmp_path):
    remove_folder(address)
    remove_folder(str(tmp_path / "nothing"))


def test_a_base_model_that_another_has_replaced_is_not_started_from(tmp_path, address):
    publish_checkpoint(checkpoint(tmp_path / "trained", b"weights"), address)
    asked = spec_for("pretrain", tmp_path, tmp_path).model_copy(
        update={"stage": "sft", "base_model": address, "base_model_version": version_of(address, None)}
    )
    with brought_here(asked, ConsoleLauncher()) as here:
        assert (Path(str(here.base_model)) / "model.safetensors").read_bytes() == b"weights"

    publish_checkpoint(checkpoint(tmp_path / "again", b"other weights"), address)
    with (
        pytest.raises(TrainingError, match="changed after this training was launched"),
        brought_here(asked, ConsoleLauncher()),
    ):
        pytest.fail("it is started from")


def test_the_payload_trains_from_the_store_and_into_it(bucket, datasets, base, tmp_path):
    storage.publish_folder(datasets["sft"], f"{bucket}/instruct_dataset/ann")
    publish_checkpoint(base, f"{bucket}/base_model")
    here = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base)
    there = here.model_copy(
        update={
            "dataset_uri": f"{bucket}/instruct_dataset/ann",
            "base_model": f"{bucket}/base_model",
            "output_uri": f"{bucket}/{ADDRESS}",
        }
    )
    train(here, tmp_path)
    process_manifest = train(there, tmp_path)

    folder = fetch_checkpoint(there.output_uri, tmp_path / "cache")
    for name in ("adapter/adapter_model.safetensors", "model.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "sft" / name).read_bytes()
    assert process_manifest.spec == there
