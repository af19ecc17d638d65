"""Waiting for an ECS task: its states and the lines of its log reach the run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import dagster as dg

from resources.trainer.aws import aws_client
from resources.trainer.ecs_tasks import EcsTasks, TaskState
from resources.trainer.interrupts import pause
from resources.trainer.job_run import LOOKS_FOR_LATE_LINES, Patience, refusals_told
from resources.trainer.log_lines import JobLog

T = TypeVar("T")


@dataclass
class TaskWatch:
    """Waits for one task."""

    context: dg.AssetExecutionContext
    tasks: EcsTasks
    container: str
    patience: Patience
    poll_seconds: float
    since: int = 0
    """Milliseconds of the epoch: lines that are older were told by another run."""
    _status: str = field(default="", init=False)

    def wait(self, arn: str) -> TaskState:
        """Return the state that a task ended in.

        Raises:
            dg.Failure: If ECS has forgotten it.
        """
        log: JobLog | None = None
        while True:
            task = self._ask(arn, lambda: self.tasks.describe(arn))
            if task is None:
                raise dg.Failure(
                    description=f"ECS does not know the task {arn} any more: start the build again.",
                    allow_retries=True,
                )
            log = log or self._log(task)
            self._tell(task, log)
            if task.ended:
                for _ in range(LOOKS_FOR_LATE_LINES if log else 0):
                    pause(self.poll_seconds)
                    self._tell(task, log)
                return task
            pause(self.poll_seconds)

    def _ask(self, arn: str, call: Callable[[], T]) -> T:
        with refusals_told(arn, goes_on_at=self.tasks.url(arn)):
            return self.patience.ask(call)

    def _log(self, task: TaskState) -> JobLog | None:
        place = self._ask(task.arn, lambda: self.tasks.log_place(task, self.container))
        client = aws_client("logs", self.tasks.client.meta.region_name)
        return JobLog(client, *place, since=self.since) if place else None

    def _tell(self, task: TaskState, log: JobLog | None) -> None:
        if task.status != self._status:
            self._status = task.status
            self.context.log.info(f"{task.arn}: {task.status}{f' - {task.reason}' if task.reason else ''}")
        if log and (lines := log.new_lines()):
            self.context.log.info("\n".join(lines))
