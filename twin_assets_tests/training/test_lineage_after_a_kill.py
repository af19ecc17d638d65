"""What MLflow tells of a training whose orchestrator was killed: the next build goes on in its run, and closes it."""

import json
from pathlib import Path
from typing import ClassVar

import dagster as dg
import pytest

from resources.estimator import Estimator
from resources.tracker import Tracker
from resources.trainer import Trainer, TrainingOutcome
from twin_assets.settings import Settings
from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.launching import train_or_reuse
from twin_assets.training.manifest import HISTORY, Manifest
from twin_assets.training.spec import TrackingRun, TrainingSpec
from twin_assets.training.tracking import open_training_run


class Cloud(Trainer):
    """A machine elsewhere whose job has ended, or goes on, when it is asked for again."""

    is_elsewhere: ClassVar[bool] = True
    has_ended: bool
    logs_to: str

    def finished(self, spec: TrainingSpec) -> Manifest | None:
        return manifest_of(spec) if self.has_ended else None

    def under_way(self, spec: TrainingSpec) -> TrainingSpec | None:
        return spec.model_copy(update={"tracking": TrackingRun(uri="u", run_id=self.logs_to)})

    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        return TrainingOutcome(manifest=manifest_of(spec), reused=False)


def manifest_of(spec: TrainingSpec) -> Manifest:
    return Manifest(spec=spec, spec_hash=spec.spec_hash, libraries={}, metrics={"train_loss": 1.5}, files={})


def spec_with_history(folder: Path) -> TrainingSpec:
    folder.mkdir()
    (folder / HISTORY).write_text(json.dumps([{"step": 3, "loss": 2.0}]), encoding="utf-8")
    return TrainingSpec(
        stage="sft",
        author="ann-reed",
        base_model="m",
        base_model_version="1",
        dataset_uri=str(folder),
        dataset_version="1",
        output_uri=str(folder),
        hyperparameters=SFTHyperparameters(),
        chat_template_hash="h",
        code_version="1",
    )


@pytest.mark.parametrize("has_ended", [True, False])
def test_the_next_build_closes_the_run_of_a_training_that_nobody_watched(has_ended, tmp_path):
    settings, spec = Settings(), spec_with_history(tmp_path / "checkpoint")
    tracker = Tracker.from_settings(settings)
    runs: list[str] = []

    @dg.asset
    def begun(context: dg.AssetExecutionContext) -> None:
        runs.append(open_training_run(context, spec, tracker))

    @dg.asset
    def checkpoint(context: dg.AssetExecutionContext) -> None:
        trainer = Cloud(has_ended=has_ended, logs_to=runs[0])
        runs.append(train_or_reuse(context, spec, trainer, Estimator(mode="ecs"), tracker, force=False)[1])

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([begun], instance=instance)
        build = dg.materialize([checkpoint], instance=instance)

    assert runs[1] == runs[0]
    from mlflow import MlflowClient

    client = MlflowClient(settings.tracking_uri)
    run = client.get_run(runs[0])
    assert run.info.status == "FINISHED"
    assert run.data.tags["dagster_run"] == build.run_id
    assert client.get_run(run.data.tags["mlflow.parentRunId"]).data.tags["dagster_run"] == build.run_id
    assert run.data.metrics["train_loss"] == 1.5
    assert [figure.step for figure in client.get_metric_history(runs[0], "loss")] == [3]
