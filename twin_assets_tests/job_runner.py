"""What AWS does with a training job, on this machine: the real payload, in a process of its own, under the contract.

Each job gets a `/opt/ml` of its own, its hyperparameters as texts, and no environment but that of the image and the
credentials. Its output goes to CloudWatch line by line; its checkpoints are kept in S3, and are there again when it is
started anew; its end is told as SageMaker tells it.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twin_assets.settings import PROJECT_ROOT
from twin_assets_tests.cloud_server import Cloud

GROUP = "/aws/sagemaker/TrainingJobs"
IMAGE_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": str(PROJECT_ROOT)}
"""As the target `trainer` of the Dockerfile sets it."""


def machine_environment() -> dict[str, str]:
    """Return what the machine of a job gives: as many threads as here, because sums in another order differ."""
    return {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS") if name in os.environ}


def exit_code(code: int) -> int:
    """Return the exit code of a process as a container has it: 128 and the number of the signal that ended it."""
    return code if code >= 0 else 128 - code


@dataclass
class JobRunner:
    """Takes created jobs, and runs each in a thread."""

    cloud: Cloud
    root: Path
    log_delay: float = 0.0
    """Seconds after the end of a job before its log appears; 0 for a log that keeps up."""
    hold: threading.Event | None = None
    """If set, a job waits for it before its container starts: for capacity, say."""
    extra_environment: dict[str, str] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    """The name of a job for every container that was started for it."""
    _processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _asked_to_stop: set[str] = field(default_factory=set)
    _interrupted: set[str] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cloud.on_created = self._take
        self.cloud.on_stop = self._stop

    def close(self) -> None:
        """End what still runs."""
        if self.hold:
            self.hold.set()
        for name, process in list(self._processes.items()):
            self._asked_to_stop.add(name)
            process.kill()
        for thread in self._threads:
            thread.join(timeout=30)

    def interrupt(self, name: str) -> None:
        """Take the machine away, as happens to spot capacity, and give another one."""
        self._interrupted.add(name)
        self._processes[name].send_signal(signal.SIGTERM)

    def process_of(self, name: str) -> subprocess.Popen[str]:
        return self._processes[name]

    def _take(self, name: str) -> None:
        thread = threading.Thread(target=self._run, args=(name,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _stop(self, name: str) -> None:
        self._asked_to_stop.add(name)
        if self.hold:
            self.hold.set()
        if process := self._processes.get(name):
            process.send_signal(signal.SIGTERM)

    def _run(self, name: str) -> None:
        self._status(name, "Starting", "Preparing the instances for training")
        if self.hold:
            self.hold.wait(timeout=120)
        attempt = 0
        while name not in self._asked_to_stop:
            attempt += 1
            code, failure = self._container(name, attempt)
            if name in self._interrupted and name not in self._asked_to_stop:
                self._interrupted.discard(name)
                self._status(name, "Interrupted", "Training job interrupted: spot capacity was reclaimed")
                self._status(name, "Starting", "Preparing the instances for training")
                continue
            if name not in self._asked_to_stop:
                self._end(name, code, failure)
                return
        self._finish(name, "Stopped", "Training job stopped")

    def _container(self, name: str, attempt: int) -> tuple[int, str]:
        """Run the payload once, from the layout to its exit code and what it left in `failure`."""
        base = self.root / f"{name}-{attempt}" / "ml"
        for part in ("input/config", "input/data", "output", "model", "checkpoints"):
            (base / part).mkdir(parents=True)
        job = self.cloud.job(name)
        assert all(isinstance(value, str) for value in job.hyper_parameters.values())
        (base / "input/config/hyperparameters.json").write_text(json.dumps(job.hyper_parameters))
        (base / "input/config/resourceconfig.json").write_text(
            json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]})
        )
        self._status(name, "Downloading", "Downloading the training image")
        self._fetch_checkpoints(job, base / "checkpoints")
        self._status(name, "Training", "Training image download completed. Training in progress.")
        process = subprocess.Popen(
            [sys.executable, "-m", "twin_assets.training.payload", "train"],
            cwd=base,
            env={
                **machine_environment(),
                "HOME": str(base),
                "SAGEMAKER_BASE_DIR": str(base),
                "TRAINING_JOB_NAME": name,
                **IMAGE_ENVIRONMENT,
                **self.cloud.environment,
                **self.extra_environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._processes[name] = process
        self.started.append(name)
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep_checkpoints, args=(job, base / "checkpoints", ended), daemon=True)
        keeper.start()
        self._log(name, attempt, process)
        code = exit_code(process.wait())
        ended.set()
        keeper.join(timeout=30)
        failure = base / "output" / "failure"
        return code, failure.read_text() if failure.is_file() else ""

    def _log(self, name: str, attempt: int, process: subprocess.Popen[str]) -> None:
        logs, stream = self.cloud.client("logs"), f"{name}/algo-1-{attempt}"
        made, lines = False, []
        assert process.stdout
        for line in process.stdout:
            lines.append({"timestamp": int(time.time() * 1000), "message": line.rstrip("\n") or " "})
            if not self.log_delay:
                made = self._send(logs, stream, lines, made=made)
        if lines:
            threading.Timer(self.log_delay, self._send, (logs, stream, lines), {"made": made}).start()

    def _send(self, logs: Any, stream: str, waiting: list[dict[str, Any]], *, made: bool) -> bool:
        if not made:
            if not logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
                logs.create_log_group(logGroupName=GROUP)
            logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=list(waiting))
        waiting.clear()
        return True

    def _keep_checkpoints(self, job: Any, folder: Path, ended: threading.Event) -> None:
        sent: dict[Path, float] = {}
        s3 = self.cloud.client("s3")
        bucket, _, key = job.checkpoint_config["S3Uri"].removeprefix("s3://").partition("/")
        last = False
        while not last:
            last = ended.wait(0.2)
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                try:
                    changed = path.stat().st_mtime
                    if sent.get(path) != changed:
                        s3.upload_file(str(path), bucket, f"{key}/{path.relative_to(folder).as_posix()}")
                        sent[path] = changed
                except FileNotFoundError:
                    continue  # The payload removed it in the meantime.

    def _fetch_checkpoints(self, job: Any, folder: Path) -> None:
        s3 = self.cloud.client("s3")
        bucket, _, key = job.checkpoint_config["S3Uri"].removeprefix("s3://").partition("/")
        for item in s3.list_objects_v2(Bucket=bucket, Prefix=f"{key}/").get("Contents", []):
            path = folder / item["Key"].removeprefix(f"{key}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, item["Key"], str(path))

    def _status(self, name: str, secondary: str, message: str) -> None:
        job, now = self.cloud.job(name), datetime.now(UTC)
        transitions = job.secondary_status_transitions
        if transitions:
            transitions[-1]["EndTime"] = now
        transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message})
        if job.training_job_status == "InProgress":
            job.secondary_status = secondary

    def _end(self, name: str, code: int, failure: str) -> None:
        if code == 0:
            self._status(name, "Uploading", "Uploading generated training model")
            self._finish(name, "Completed", "Training job completed")
            return
        self.cloud.job(name).failure_reason = f"AlgorithmError: {failure}, exit code: {code}"[:1024]
        self._finish(name, "Failed", "Training job failed")

    def _finish(self, name: str, status: str, message: str) -> None:
        self._status(name, status, message)
        job = self.cloud.job(name)
        job.training_end_time = datetime.now(UTC)
        job.secondary_status = status
        job.training_job_status = status
