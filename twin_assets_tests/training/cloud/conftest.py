"""A cloud on loopback, a runner for its jobs, and a step of Dagster that trains there."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.trainer.sagemaker import SageMakerTrainer
from twin_assets.training.chat_template import chat_template_hash
from twin_assets.training.manifest import read_manifest
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import publish_checkpoint, publish_folder
from twin_assets_tests.cloud_server import BUCKET, REGION, ROLE, Cloud, serve_cloud
from twin_assets_tests.job_runner import JobRunner
from twin_assets_tests.training.conftest import SMALL

LAUNCHES = f"s3://{BUCKET}/launches"


@pytest.fixture(scope="session")
def served_cloud() -> Iterator[Cloud]:
    with serve_cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(served_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """The cloud, without the calls, the faults and the jobs of other tests."""
    served_cloud.calls.clear()
    for name, value in served_cloud.environment.items():
        monkeypatch.setenv(name, value)
    yield served_cloud
    served_cloud.faults.clear()
    served_cloud.after.clear()


@pytest.fixture
def runner(cloud: Cloud, tmp_path: Path) -> Iterator[JobRunner]:
    runner = JobRunner(cloud, tmp_path / "machines")
    yield runner
    runner.close()


@dataclass
class Training:
    """One spec whose dataset and base model lie in the cloud, and a step that trains it there."""

    spec: TrainingSpec
    instance: dg.DagsterInstance
    options: dict[str, Any] = field(default_factory=dict)

    def trainer(self) -> SageMakerTrainer:
        return SageMakerTrainer(
            **{
                "region": REGION,
                "launches_uri": LAUNCHES,
                "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/twin-trainer:1",
                "role": ROLE,
                "instance_type": "ml.g5.2xlarge",
                "poll_seconds": 0.2,
                "outage_minutes": 1.0,
                "hub_offline": True,
                **self.options,
            }
        )

    def definition(self) -> dg.AssetsDefinition:
        @dg.asset(name="sft_checkpoint")
        def sft_checkpoint(context: dg.AssetExecutionContext, trainer: dg.ResourceParam[Any]) -> dg.MaterializeResult:
            outcome = trainer.train(context, self.spec)
            return dg.MaterializeResult(data_version=dg.DataVersion(outcome.manifest.data_version))

        return sft_checkpoint

    def run(self) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [self.definition()], resources={"trainer": self.trainer()}, instance=self.instance, raise_on_error=False
        )

    def log(self, result: dg.ExecuteInProcessResult) -> str:
        return "\n".join(record.user_message for record in self.instance.all_logs(result.run_id))


@pytest.fixture(scope="session")
def base_in_cloud(served_cloud: Cloud, base: Path, datasets: dict[str, Path]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in served_cloud.environment.items():
            patch.setenv(name, value)
        publish_checkpoint(base, f"s3://{BUCKET}/base")
        publish_folder(datasets["sft"], f"s3://{BUCKET}/datasets/sft")
    return f"s3://{BUCKET}/base"


@pytest.fixture
def make_training(cloud: Cloud, base_in_cloud: str, base: Path, tmp_path: Path) -> Iterator[Callable[..., Training]]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:

        def make(options: dict[str, Any] | None = None, **changes: Any) -> Training:
            spec = TrainingSpec.model_validate(
                {
                    "stage": "sft",
                    "author": "ann-reed",
                    "base_model": base_in_cloud,
                    "base_model_version": read_manifest(base).data_version,
                    "dataset_uri": f"s3://{BUCKET}/datasets/sft",
                    "dataset_version": "1",
                    # A place of the test's own: the name of its jobs follows from it.
                    "output_uri": f"s3://{BUCKET}/checkpoints/{uuid.uuid4().hex}",
                    "hyperparameters": SMALL["sft"],
                    "chat_template_hash": chat_template_hash(),
                    "code_version": "1",
                    **changes,
                }
            )
            return Training(spec, instance, options or {})

        yield make
