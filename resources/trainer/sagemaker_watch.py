"""Waiting for a SageMaker training job, stopping it, and what is shown of one that failed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import dagster as dg

from resources.trainer.job_run import Watch
from resources.trainer.training_jobs import JobState, TrainingJobs, ending_of

SECONDS_TO_STOP = 120.0
"""How long a cancelled run waits to see that its job is being stopped."""


@dataclass(kw_only=True)
class JobWatch(Watch[JobState]):
    """Waits for one training job."""

    service: ClassVar[str] = "SageMaker"

    jobs: TrainingJobs
    _told: int = field(default=0, init=False)

    def stop(self) -> None:
        """End the job, and wait until SageMaker has begun to."""
        self.context.log.warning(f"The run was cancelled: the training job {self.name} is stopped.")
        self._ask(lambda: self.jobs.stop(self.name))
        until = time.monotonic() + SECONDS_TO_STOP
        while time.monotonic() < until:
            state = self._ask(self._describe)
            if state is None or state.ended or state.status == "Stopping":
                self.context.log.info(f"{self.name}: {state.status if state else 'was never created'}")
                return
            time.sleep(self.poll_seconds)
        self.context.log.error(f"{self.name} does not stop: stop it at {self.url}.")

    def failure(self, state: JobState) -> dg.Failure:
        """Return the failure that an unsuccessful end of the job is, with what a person needs to look into it."""
        ending = ending_of(state)
        return dg.Failure(
            description=ending.description,
            metadata=failure_metadata(state, self.url, self.log.tail() if self.log else []),
            allow_retries=ending.retry_helps,
        )

    def _describe(self) -> JobState | None:
        return self.jobs.describe(self.name)

    def _tell(self, state: JobState) -> None:
        for _, status, message in state.transitions[self._told :]:
            self.context.log.info(f"{self.name}: {status}{f' - {message}' if message else ''}")
        self._told = max(self._told, len(state.transitions))


def failure_metadata(state: JobState, url: str, tail: list[str]) -> Mapping[str, Any]:
    """Return what is shown of a job that failed."""
    return {
        "job": state.name,
        "status": f"{state.status} ({state.secondary})",
        "reason": state.reason or "none given",
        "console": dg.MetadataValue.url(url),
        **({"log_tail": dg.MetadataValue.md("```\n" + "\n".join(tail) + "\n```")} if tail else {}),
    }
