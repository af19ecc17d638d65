"""A step of Dagster that trains in the cloud, or on this machine: here, or in a process of its own that can be killed.

`python -m twin_assets_tests.training.cloud.orchestrator FILE` runs what `Training.start` wrote.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from resources.trainer import LocalTrainer, Trainer
from resources.trainer.ecs import EcsTrainer
from resources.trainer.sagemaker import SageMakerTrainer
from twin_assets.settings import PROJECT_ROOT
from twin_assets.training.spec import TrainingSpec
from twin_assets_tests.cloud_server import BUCKET, REGION, ROLE

OPTIONS = {
    "region": REGION,
    "launches_uri": f"s3://{BUCKET}/launches",
    "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/twin-trainer:1",
    "role": ROLE,
    "instance_type": "ml.g5.2xlarge",
    "poll_seconds": 0.2,
    "outage_minutes": 1.0,
    "hub_offline": True,
}


@dataclass
class Training:
    """One spec whose dataset and base model lie in the cloud."""

    spec: TrainingSpec
    instance: dg.DagsterInstance
    home: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 0
    kind: type[Trainer] = SageMakerTrainer

    def run(self, *, force: bool = False) -> dg.ExecuteInProcessResult:
        """Train in a step of this process."""
        return dg.materialize(
            [step(self.spec, retries=self.retries, force=force)],
            resources={"trainer": self.trainer()},
            instance=self.instance,
            raise_on_error=False,
        )

    def trainer(self) -> Trainer:
        return self.kind(**({**OPTIONS, **self.options} if self.kind is SageMakerTrainer else self.options))

    def start(self) -> subprocess.Popen[str]:
        """Train in a step of another process, on the same instance."""
        file = self.home / "training.json"
        file.write_text(
            json.dumps(
                {
                    "spec": self.spec.model_dump(mode="json"),
                    "home": str(self.home),
                    "options": self.options,
                    "kind": self.kind.__name__,
                }
            )
        )
        return subprocess.Popen(
            [sys.executable, "-m", "twin_assets_tests.training.cloud.orchestrator", str(file)],
            cwd=PROJECT_ROOT,
            env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def log(self, result: dg.ExecuteInProcessResult) -> str:
        return log_of(self.instance, result.run_id)


def log_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the log of a run as the UI shows it, a message to a line."""
    return "\n".join(record.message for record in instance.all_logs(run_id))


def step(spec: TrainingSpec, *, retries: int = 0, force: bool = False) -> dg.AssetsDefinition:
    """Return an asset that does what those of the platform do with a trainer."""

    @dg.asset(name="sft_checkpoint", retry_policy=dg.RetryPolicy(max_retries=retries))
    def sft_checkpoint(context: dg.AssetExecutionContext, trainer: dg.ResourceParam[Any]) -> dg.MaterializeResult:
        manifest = None if force else trainer.finished(spec)
        if manifest is None:
            manifest = trainer.train(context, spec).manifest
        return dg.MaterializeResult(data_version=dg.DataVersion(manifest.data_version))

    return sft_checkpoint


def failure_of(result: dg.ExecuteInProcessResult) -> Any:
    """Return the failure that ended the step, as the event log keeps it."""
    (event,) = [event for event in result.all_node_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data


def main(file: str) -> int:
    given = json.loads(Path(file).read_text())
    with dg.DagsterInstance.local_temp(given["home"]) as instance:
        training = Training(TrainingSpec.model_validate(given["spec"]), instance, Path(given["home"]), given["options"])
        training.kind = {kind.__name__: kind for kind in (SageMakerTrainer, EcsTrainer, LocalTrainer)}[given["kind"]]
        return 0 if training.run().success else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
