"""A training that learns its rows by heart ends early, with the weights that said most about other rows."""

import json
from pathlib import Path

import pytest

from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.spec import TrainingSpec
from twin_assets_tests.training.conftest import row_of, spec_for, start, train, write_rows

# Six rows, over and over, at a learning rate that a small adapter learns them by heart with.
OVERFITTING = SFTHyperparameters(
    max_steps=200,
    epochs=200,
    batch_size=6,
    lora_rank=16,
    lora_alpha=64,
    learning_rate=2e-2,
    early_stopping_patience=2,
)


@pytest.fixture(scope="module")
def few_rows(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("few") / "sft"
    write_rows(folder, "train", [row_of("sft", number, "train") for number in range(6)])
    write_rows(folder, "validation", [row_of("sft", number, "validation") for number in range(50, 62)])
    write_rows(folder, "test", [row_of("sft", number, "test") for number in range(100, 104)])
    return folder


def loss_on_validation(spec: TrainingSpec, model: Path, folder: Path) -> float:
    """Return the loss of a finished model: a new adapter on it changes nothing yet."""
    from twin_assets.training.payload.launcher import SilentLauncher
    from twin_assets.training.payload.reporting import ReportingCallback
    from twin_assets.training.payload.rows import read_rows
    from twin_assets.training.payload.runtime import load_tokenizer
    from twin_assets.training.payload.sft import sft_trainer

    spec = spec.model_copy(update={"base_model": str(model), "output_uri": str(folder / "again")})
    rows = {split: read_rows(Path(spec.dataset_uri), "sft", split=split) for split in ("train", "test", "validation")}
    trainer = sft_trainer(
        spec,
        rows["train"],
        rows["test"],
        validation=rows["validation"],
        tokenizer=load_tokenizer(spec),
        work=folder / "work",
        callback=ReportingCallback(SilentLauncher(), None),
    )
    return float(trainer.evaluate()["eval_validation_loss"])


def test_an_overfitting_run_ends_early_and_keeps_its_best_weights(base, few_rows, tmp_path):
    spec = spec_for("sft", few_rows, tmp_path / "sft", base=base, hyperparameters=OVERFITTING)
    metrics = train(spec, tmp_path).metrics
    history = json.loads((tmp_path / "sft" / "history.json").read_text())
    losses = {row["step"]: row["eval_validation_loss"] for row in history if "eval_validation_loss" in row}

    assert metrics["steps"] < OVERFITTING.max_steps
    assert metrics["best_step"] < metrics["steps"], "it went on for as long as it was patient"
    chosen = {step: loss for step, loss in losses.items() if step > 0}
    assert min(chosen, key=chosen.__getitem__) == metrics["best_step"]
    assert metrics["validation_loss"] == losses[metrics["best_step"]]
    kept = loss_on_validation(spec, tmp_path / "sft", tmp_path)
    assert kept == pytest.approx(metrics["validation_loss"], abs=1e-4)
    assert kept < losses[metrics["steps"]] - 1e-3, "the last weights are worse, and are not kept"
    test_losses = {row["step"]: row["eval_loss"] for row in history if "eval_loss" in row}
    assert metrics["eval_loss"] == test_losses[metrics["best_step"]], "test rows report, they do not choose"
    assert {path.name for path in tmp_path.iterdir()} >= {"sft"}
    assert not list(tmp_path.glob("sft.checkpoints-*"))


def test_test_rows_are_never_chosen_by(base, datasets, tmp_path):
    settings = OVERFITTING.model_copy(update={"max_steps": 4})
    process = start(spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=settings), tmp_path)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 2
    assert "no validation rows to choose by" in errors
