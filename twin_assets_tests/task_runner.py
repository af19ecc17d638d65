"""What ECS does with a task, on this machine: the real payload, with the command and environment that were asked for.

A task ends with the exit code of its container; who stops it sends SIGTERM.
"""

import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from twin_assets_tests.cloud_server import Cloud
from twin_assets_tests.job_runner import IMAGE_ENVIRONMENT, exit_code, machine_environment

GROUP = "/ecs/twin-trainer"


@dataclass
class TaskRunner:
    """Takes tasks that were placed, and runs each in a thread."""

    cloud: Cloud
    root: Path
    hold: threading.Event | None = None
    """If set, a task waits for it before its container starts."""
    started: list[str] = field(default_factory=list)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _stopped: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.cloud.on_task, self.cloud.on_task_stop = self._take, self._stop

    def close(self) -> None:
        """End what still runs."""
        if self.hold:
            self.hold.set()
        for process in self._processes.values():
            process.kill()
        for thread in self._threads:
            thread.join(timeout=30)

    def _take(self, arn: str) -> None:
        self.cloud.task(arn).containers[0].exitCode = None  # moto begins with 0.
        thread = threading.Thread(target=self._run, args=(arn,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _stop(self, arn: str) -> None:
        self._stopped.add(arn)
        self.cloud.task(arn).stop_code = "UserInitiated"  # moto has none.
        if self.hold:
            self.hold.set()
        if process := self._processes.get(arn):
            process.send_signal(signal.SIGTERM)

    def _log(self, arn: str, line: str) -> None:
        """Write a line where the driver `awslogs` does; what the payload prints goes to the test's own output."""
        logs, task = self.cloud.client("logs"), arn.rpartition("/")[2]
        if not logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
            logs.create_log_group(logGroupName=GROUP)
        logs.create_log_stream(logGroupName=GROUP, logStreamName=f"ecs/trainer/{task}")
        event = {"timestamp": int(time.time() * 1000), "message": line}
        logs.put_log_events(logGroupName=GROUP, logStreamName=f"ecs/trainer/{task}", logEvents=[event])

    def _run(self, arn: str) -> None:
        if self.hold:
            self.hold.wait(timeout=120)
        task = self.cloud.task(arn)
        if arn in self._stopped:
            return
        (override,) = task.overrides["containerOverrides"]
        home = self.root / arn.rpartition("/")[2]
        home.mkdir(parents=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "twin_assets.training.payload", *override["command"]],
            cwd=home,
            env={
                **machine_environment(),
                "HOME": str(home),
                **IMAGE_ENVIRONMENT,
                **self.cloud.environment,
                **{item["name"]: item["value"] for item in override["environment"]},
            },
        )
        self._processes[arn] = process
        self.started.append(arn)
        self._log(arn, "a line of the container")
        code = exit_code(process.wait())
        container = task.containers[0]
        container.exitCode, container.last_status = code, "STOPPED"
        container.runtimeId = home.name  # moto has none.
        task.stopped_reason = "Essential container in task exited"
        task.last_status = task.desired_status = "STOPPED"
