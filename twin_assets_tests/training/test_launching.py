"""Launching a training: what a trainer is asked for, and what is told of one that failed."""

import hashlib
from types import SimpleNamespace
from typing import ClassVar

import dagster as dg

from resources.trainer import Trainer, TrainingOutcome
from twin_assets.training.compute import Compute
from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.launching import train, train_or_reuse
from twin_assets.training.spec import TrackingRun, TrainingSpec

SPEC = TrainingSpec(
    stage="sft",
    author="ann-reed",
    base_model="m",
    base_model_version="1",
    dataset_uri="d",
    dataset_version="1",
    output_uri="o",
    hyperparameters=SFTHyperparameters(),
    chat_template_hash="h",
    code_version="1",
)


class FourGpus(Trainer):
    """A machine with four GPUs, whose trainings are only written down."""

    asked: ClassVar[list[TrainingSpec]] = []

    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        self.asked.append(spec)
        raise dg.Failure("That is all.", allow_retries=False)


class AwayError(Exception):
    """What the tracking server's client says."""


def interrupted(context, spec):
    raise dg.Failure("The machine was taken away.", allow_retries=True)


def away(run_id, *, failed):
    raise AwayError("http://ann:hunter2@mlflow.example is not there")


def test_a_training_uses_the_gpus_of_its_trainer_for_the_rows_that_the_settings_say():
    estimated = []
    estimator = SimpleNamespace(check=lambda context, spec: estimated.append(spec) or {})
    tracker = SimpleNamespace(
        start_run=lambda *_, **__: "run",
        interrupted_run=lambda *_, **__: "run",
        resume_stage=lambda *_, **__: None,
        tracking_run=lambda run_id: TrackingRun(uri="u", run_id=run_id),
        finish_run=lambda run_id, *, failed: None,
    )

    @dg.asset
    def checkpoint(context: dg.AssetExecutionContext) -> None:
        train_or_reuse(context, SPEC, FourGpus(gpus=4), estimator, tracker, force=True)

    dg.materialize([checkpoint], raise_on_error=False)
    (asked,) = FourGpus.asked

    assert asked.compute == Compute(processes_per_node=4)
    rows = SPEC.hyperparameters.batch_size * SPEC.hyperparameters.gradient_accumulation
    assert 4 * asked.hyperparameters.batch_size * asked.hyperparameters.gradient_accumulation == rows
    assert [spec.spec_hash for spec in estimated] == [asked.spec_hash], "what is estimated is what is trained"


def test_a_training_is_launched_with_the_hashes_of_its_dataset(datasets):
    launched = []
    trainer = SimpleNamespace(under_way=lambda spec: None, train=lambda context, spec: launched.append(spec))
    estimator = SimpleNamespace(check=lambda context, spec: {})
    tracker = SimpleNamespace(
        tracking_run=lambda run_id: TrackingRun(uri="u", run_id=run_id), finish_run=lambda run_id, *, failed: None
    )
    spec = SPEC.model_copy(update={"dataset_uri": str(datasets["sft"])})

    @dg.asset
    def checkpoint(context: dg.AssetExecutionContext) -> None:
        train(context, spec, trainer, estimator, tracker, open_run=lambda: "run", resume_run=str)

    dg.materialize([checkpoint], raise_on_error=False)
    (asked,) = launched

    assert asked.dataset_hashes == {
        name: hashlib.sha256((datasets["sft"] / name).read_bytes()).hexdigest()
        for name in ("train.parquet", "test.parquet")
    }


def test_that_mlflow_is_away_does_not_hide_why_a_training_failed():
    trainer = SimpleNamespace(under_way=lambda spec: None, train=interrupted)
    estimator = SimpleNamespace(check=lambda context, spec: {})
    tracker = SimpleNamespace(tracking_run=lambda run_id: TrackingRun(uri="u", run_id=run_id), finish_run=away)

    @dg.asset
    def checkpoint(context: dg.AssetExecutionContext) -> None:
        train(context, SPEC, trainer, estimator, tracker, open_run=lambda: "run", resume_run=str)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([checkpoint], instance=instance, raise_on_error=False)
        log = "\n".join(record.message for record in instance.all_logs(result.run_id))
    (event,) = [event for event in result.all_node_events if event.is_step_failure]

    assert event.step_failure_data.user_failure_data.description == "The machine was taken away."
    assert event.step_failure_data.error.cls_name == "Failure"
    assert "The MLflow run run stays open: it could not be closed (AwayError)." in log
    assert "hunter2" not in log
