"""The payload as a program: real trainings of a very small model, in processes of their own."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.manifest import read_manifest, verify_manifest
from twin_assets_tests.training.conftest import row_of, spec_for, start, train, write_rows

LONG = SFTHyperparameters(max_steps=5_000, epochs=5_000, lora_rank=4, lora_alpha=8)


@pytest.fixture(scope="module")
def sft(base, datasets, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sft")
    train(spec_for("sft", datasets["sft"], folder / "sft", base=base), folder)
    return folder / "sft"


def test_a_base_model_is_whole_and_says_what_it_is(base):
    manifest = verify_manifest(base)

    assert manifest.metrics["parameters"] > 0
    assert manifest.metrics["train_rows"] == 12
    # Steps of 1,024 tokens, in blocks of 128 and of 512.
    assert manifest.metrics["tokens"] == manifest.metrics["steps"] * 1024
    assert manifest.trained_on == tuple(sorted(f"d{number}" for number in range(12)))
    assert manifest.libraries["torch"].startswith("2.13")


def test_sft_keeps_the_adapter_beside_the_merged_model(sft):
    assert (sft / "adapter" / "adapter_model.safetensors").is_file()
    assert (sft / "model.safetensors").is_file()
    assert read_manifest(sft).metrics["merge_difference"] < 1e-3
    assert read_manifest(sft).trained_on == tuple(sorted(f"d{number}" for number in range(24)))


def test_dpo_starts_from_the_sft_checkpoint_and_logs_its_margins(sft, datasets, tmp_path):
    manifest = train(spec_for("dpo", datasets["dpo"], tmp_path / "dpo", base=sft), tmp_path)
    history = json.loads((tmp_path / "dpo" / "history.json").read_text())

    assert manifest.data_version != read_manifest(sft).data_version
    assert any("rewards/margins" in row for row in history)


def test_two_runs_of_one_spec_give_the_same_weights_bit_for_bit(sft, base, datasets, tmp_path):
    again = train(spec_for("sft", datasets["sft"], tmp_path / "sft", base=base), tmp_path)

    assert again.data_version == read_manifest(sft).data_version
    assert (tmp_path / "sft" / "model.safetensors").read_bytes() == (sft / "model.safetensors").read_bytes()


def test_another_seed_gives_other_weights(sft, base, datasets, tmp_path):
    other = train(spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, seed=1), tmp_path)

    assert other.data_version != read_manifest(sft).data_version


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_training_leaves_the_old_checkpoint_whole(kill, sft, base, datasets, tmp_path):
    import shutil

    shutil.copytree(sft, tmp_path / "sft")
    before = verify_manifest(tmp_path / "sft").data_version
    process = start(spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=LONG), tmp_path)
    _wait_for_a_partial_checkpoint(tmp_path)
    os.kill(process.pid, kill)
    process.communicate(timeout=60)

    assert process.returncode != 0
    assert verify_manifest(tmp_path / "sft").data_version == before
    train(spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, seed=2), tmp_path)
    assert verify_manifest(tmp_path / "sft").data_version != before
    assert {path.name for path in tmp_path.iterdir()} == {"sft", "sft.spec.json"}, "leftovers are removed"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"chat_template_hash": "0" * 64}, "chat template"),
        ({"base_model": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"dataset_uri": "/nowhere"}, "does not exist"),
        ({"dataset_hashes": {"train.parquet": "0" * 64}}, "launched (test.parquet, train.parquet): build again"),
    ],
)
def test_a_doubtful_spec_is_refused_with_one_sentence(changes, sentence, base, datasets, tmp_path):
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base)
    process = start(spec.model_copy(update=changes), tmp_path)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 2
    assert sentence in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "sft").exists()


def test_a_loss_that_is_no_number_ends_the_training(base, datasets, tmp_path):
    wild = SFTHyperparameters(
        max_steps=60, epochs=60, learning_rate=1e30, lora_rank=4, lora_alpha=8, max_grad_norm=1e30
    )
    process = start(spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=wild), tmp_path)
    _, errors = process.communicate(timeout=240)

    assert process.returncode == 2, errors
    assert not (tmp_path / "sft").exists()


def test_a_row_that_prefers_a_text_to_itself_is_refused(sft, tmp_path):
    row = row_of("dpo", 0, "train")
    write_rows(tmp_path / "dpo-data", "train", [{**row, "rejected": row["chosen"]}])
    process = start(spec_for("dpo", tmp_path / "dpo-data", tmp_path / "dpo", base=sft), tmp_path)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 2
    assert "prefers a text to itself" in errors


def _wait_for_a_partial_checkpoint(folder: Path) -> None:
    deadline = time.monotonic() + 120
    while not any(".partial-" in path.name for path in folder.iterdir()):
        assert time.monotonic() < deadline, "the training did not begin"
        time.sleep(0.2)
    time.sleep(1)
