"""Waiting for an ECS task."""

from dataclasses import dataclass, field
from typing import ClassVar

from resources.trainer.aws import aws_client
from resources.trainer.ecs_tasks import EcsTasks, TaskState
from resources.trainer.job_run import Watch
from resources.trainer.log_lines import JobLog


@dataclass(kw_only=True)
class TaskWatch(Watch[TaskState]):
    """Waits for one task. Where its log lies is known once ECS has described it."""

    service: ClassVar[str] = "ECS"

    tasks: EcsTasks
    container: str
    since: int = 0
    """Milliseconds of the epoch: lines that are older were told by another run."""
    _status: str = field(default="", init=False)

    def _describe(self) -> TaskState | None:
        return self.tasks.describe(self.name)

    def _tell(self, state: TaskState) -> None:
        if not self._status:
            self.log = self._log(state)
        if state.status != self._status:
            self._status = state.status
            self.context.log.info(f"{self.name}: {state.status}{f' - {state.reason}' if state.reason else ''}")

    def _log(self, task: TaskState) -> JobLog | None:
        place = self._ask(lambda: self.tasks.log_place(task, self.container))
        client = aws_client("logs", self.tasks.client.meta.region_name)
        return JobLog(client, *place, since=self.since) if place else None
