"""The graph of an author whose trainings run in a cloud: an emulated one on loopback, with the real payload.

`twin build` is a process of its own here, as it is for a user: it is killed, and started again.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from small_author import AUTHOR, TINY, Place, lay_out

from twin_assets.settings import PROJECT_ROOT
from twin_assets_tests.cloud_server import BUCKET, REGION, ROLE, Cloud, serve_cloud
from twin_assets_tests.job_runner import JobRunner
from twin_assets_tests.training.cloud.orchestrator import log_of

ARTIFACTS = f"s3://{BUCKET}/artifacts"
SETTINGS = {
    "trainer_mode": "sagemaker",
    "artifacts_uri": ARTIFACTS,
    "aws_region": REGION,
    "trainer_image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/twin-trainer:1",
    "trainer_role": ROLE,
    "trainer_poll_seconds": 0.5,
}
BUILD_SECONDS = 480


@dataclass
class CloudPlace:
    """The small author, the cloud its trainings run in, and `twin build` as a user types it."""

    place: Place
    cloud: Cloud
    runner: JobRunner

    def start(self, *options: str) -> subprocess.Popen[str]:
        config = self.place.root / "tiny.yaml"
        config.write_text(yaml.safe_dump(TINY), encoding="utf-8")
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("twin")), "build", AUTHOR, "--config", str(config), *options],
            cwd=PROJECT_ROOT,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("TWIN_")},
                **self.cloud.environment,
                **{f"TWIN_{name.upper()}": str(value) for name, value in SETTINGS.items()},
                "TWIN_HOME": str(self.place.root / "home"),
                "TWIN_AUTHORS_DIR": str(self.place.root / "authors"),
                "MLFLOW_TRACKING_URI": "",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def build(self, *options: str) -> str:
        process = self.start(*options)
        try:
            output, _ = process.communicate(timeout=BUILD_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == 0, output
        return output

    def jobs(self, stage: str) -> list[str]:
        return [name for name in self.cloud.job_names() if name.startswith(f"twin-{stage}-")]

    def adapter(self, asset: str) -> bytes:
        """Return the adapter of a checkpoint as it lies in S3."""
        s3 = self.cloud.client("s3")
        found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"artifacts/{asset}/{AUTHOR}/")["Contents"]
        (key,) = [item["Key"] for item in found if item["Key"].endswith("adapter/adapter_model.safetensors")]
        return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


@pytest.fixture(scope="module")
def in_the_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudPlace]:
    """The small author, built with SageMaker up to the SFT checkpoint."""
    root = tmp_path_factory.mktemp("cloud")
    with serve_cloud() as cloud:
        runner = JobRunner(cloud, root / "machines")
        there = CloudPlace(lay_out(root / "place"), cloud, runner)
        there.build("--until", "sft_checkpoint")
        yield there
        runner.close()


def wait_until(condition: Any, process: subprocess.Popen[str], seconds: float = BUILD_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until, "nothing happened in time"
        time.sleep(0.2)


def test_the_same_build_here_and_in_the_cloud_gives_byte_equal_adapters(in_the_cloud, built):
    here = built.artifacts / "sft_checkpoint" / AUTHOR / "adapter" / "adapter_model.safetensors"

    assert in_the_cloud.adapter("sft_checkpoint") == here.read_bytes()
    assert len(in_the_cloud.jobs("pretrain")) == len(in_the_cloud.jobs("sft")) == 1


def test_a_build_that_was_killed_while_its_job_ran_finds_the_job_again(in_the_cloud):
    first = in_the_cloud.start("--until", "dpo_checkpoint")
    wait_until(lambda: any(name.startswith("twin-dpo-") for name in in_the_cloud.runner.started), first)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=30)
    in_the_cloud.build("--until", "dpo_checkpoint")

    (job,) = in_the_cloud.jobs("dpo")
    assert in_the_cloud.runner.started.count(job) == 1
    assert in_the_cloud.adapter("dpo_checkpoint")
    with in_the_cloud.place.instance() as instance:
        runs = instance.get_runs(dg.RunsFilter(tags={"author": AUTHOR, "stage": "dpo_checkpoint"}))
        assert [run.status.value for run in runs] == ["SUCCESS", "FAILURE"]
        assert "this run waits for it, and starts none" in log_of(instance, runs[0].run_id)
