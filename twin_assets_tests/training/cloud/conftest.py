"""A cloud on loopback, a runner for its jobs, and a step of Dagster that trains there."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from twin_assets.training.chat_template import chat_template_hash
from twin_assets.training.manifest import read_manifest
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import publish_checkpoint, publish_folder
from twin_assets_tests.cloud_server import BUCKET, Cloud, serve_cloud
from twin_assets_tests.job_runner import JobRunner
from twin_assets_tests.training.cloud.orchestrator import Training
from twin_assets_tests.training.conftest import SMALL


@pytest.fixture(scope="session")
def served_cloud() -> Iterator[Cloud]:
    with serve_cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(served_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """The cloud, without the calls, the faults and the jobs of other tests."""
    served_cloud.calls.clear()
    # Pipes waits ten seconds for a payload that ended without a last word; where one did, we know.
    monkeypatch.setattr("dagster._core.pipes.utils.WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL", 1)
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
    home = tmp_path / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:

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
            return Training(spec, instance, home, options or {})

        yield make
