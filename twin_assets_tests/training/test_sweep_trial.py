"""A trial of a sweep whose training goes on where it was launched, while who launched it does not."""

import json
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import pytest

from resources.artifacts import ArtifactStore
from resources.estimator import Estimator
from resources.io_managers import write_rows
from resources.project import Project
from resources.tracker import Tracker
from resources.trainer import Trainer, TrainingOutcome
from twin_assets.documents import BaseModelRef, InstructRow
from twin_assets.settings import Settings
from twin_assets.training.manifest import HISTORY, Manifest
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.sweep_trial import sweep_trial

AUTHOR = "ann-reed"


class Cloud(Trainer):
    """A machine whose first job is waited for in vain, and has ended when it is asked for again."""

    started: ClassVar[list[TrainingSpec]] = []

    def under_way(self, spec: TrainingSpec) -> TrainingSpec | None:
        return self.started[-1] if self.started else None

    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        self.started.append(spec)
        if len(self.started) == 1:
            raise dg.Failure("AWS did not answer in time.", allow_retries=False)
        folder = Path(spec.output_uri)
        folder.mkdir(parents=True)
        (folder / HISTORY).write_text(json.dumps([{"step": 1, "loss": 2.0}]), encoding="utf-8")
        metrics = {"eval_loss": 1.5, "train_loss": 2.0}
        manifest = Manifest(spec=spec, spec_hash=spec.spec_hash, libraries={}, metrics=metrics, files={})
        return TrainingOutcome(manifest=manifest, reused=False)


@pytest.fixture
def settings() -> Settings:
    return Settings()


def try_once(settings: Settings) -> bool:
    @dg.asset
    def base_model() -> BaseModelRef:
        return BaseModelRef(location="tiny", revision=None, licence="none", version="1", n_parameters=1000)

    config: dict[str, Any] = {"sweep": "ab12", "stage": "sft", "settings": {"learning_rate": 1e-4}}
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("authors", [AUTHOR])
        return dg.materialize(
            [base_model, sweep_trial],
            partition_key=AUTHOR,
            instance=instance,
            resources={
                "project": Project.from_settings(settings),
                "artifacts": ArtifactStore.from_settings(settings),
                "trainer": Cloud(),
                "estimator": Estimator(mode="ecs"),
                "tracker": Tracker.from_settings(settings),
            },
            run_config={"ops": {"sweep_trial": {"config": config}}},
            raise_on_error=False,
        ).success


def test_a_trial_that_is_trained_already_goes_on_in_the_mlflow_run_that_it_logs_to(settings):
    rows = [
        InstructRow(
            instruction="Explain.",
            answer="As it is.",
            author=AUTHOR,
            category="articles",
            document_id=document,
            start=0,
            end=9,
            generator="extractive@1",
            prompt_hash="0",
            split=split,
        )
        for document, split in (("one", "train"), ("two", "validation"))
    ]
    for row in rows:
        path = Path(settings.artifacts_root) / "instruct_dataset" / AUTHOR / f"{row.split}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rows(path, [row])
    settings.authors_dir.mkdir(parents=True, exist_ok=True)
    (settings.authors_dir / f"{AUTHOR}.yaml").write_text(
        "name: Ann Reed\nconsent: {given_by: Ann}\nsources: [{type: folder, path: .}]\n", encoding="utf-8"
    )

    assert not try_once(settings)
    assert try_once(settings)

    from mlflow import MlflowClient

    client = MlflowClient(settings.tracking_uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (trial,) = client.search_runs(experiments, filter_string="tags.stage = 'sweep_trial'")
    assert [spec.tracking.run_id for spec in Cloud.started if spec.tracking] == [trial.info.run_id] * 2
    assert trial.info.status == "FINISHED"
    assert trial.data.metrics["eval_loss"] == 1.5
