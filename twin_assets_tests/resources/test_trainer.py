"""The trainer: which checkpoint it takes over, and that it looks at the cheap things first."""

from pathlib import Path

import pytest

from resources.trainer import LocalTrainer
from twin_assets.training.hyperparameters import PretrainHyperparameters
from twin_assets.training.manifest import write_manifest
from twin_assets.training.spec import TrainingSpec


@pytest.fixture
def spec(tmp_path):
    return TrainingSpec(
        stage="pretrain",
        author=None,
        base_model=None,
        base_model_version=None,
        dataset_uri=str(tmp_path / "corpus"),
        dataset_version="1",
        output_uri=str(tmp_path / "model"),
        hyperparameters=PretrainHyperparameters(),
        seed=0,
        chat_template_hash="h",
        code_version="1",
    )


@pytest.fixture
def checkpoint(spec):
    folder = Path(spec.output_uri)
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    write_manifest(folder, spec=spec, libraries={}, metrics={"train_loss": 2.0})
    return folder


def test_a_checkpoint_that_answers_the_spec_is_taken_over(spec, checkpoint):
    manifest = LocalTrainer().finished(spec)
    assert manifest
    assert manifest.spec_hash == spec.spec_hash


def test_a_checkpoint_that_was_changed_is_not(spec, checkpoint):
    (checkpoint / "model.safetensors").write_bytes(b"other weights")
    assert LocalTrainer().finished(spec) is None


def test_the_files_of_a_checkpoint_of_another_spec_are_not_read(spec, checkpoint, monkeypatch):
    monkeypatch.setattr("twin_assets.training.manifest._record", lambda _: pytest.fail("a file was read"))
    assert LocalTrainer().finished(spec.model_copy(update={"seed": 1})) is None
