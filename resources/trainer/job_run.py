"""Waiting for a job on another machine: what it says on the way reaches the run, and who ends the run ends the job.

An error of this process, or a service that is away for too long, leaves the job alone: a retry finds it again.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import dagster as dg
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from resources.trainer.aws import error_code, will_pass
from resources.trainer.interrupts import pause
from resources.trainer.log_lines import JobLog
from resources.trainer.training_jobs import JobState, TrainingJobs, ending_of

LONGEST_PAUSE = 60.0
"""Seconds between two tries of a call that a service does not answer."""

LOOKS_FOR_LATE_LINES = 3
"""How often the log is looked at after the end: CloudWatch is some seconds behind."""

SECONDS_TO_STOP = 120.0
"""How long a cancelled run waits to see that its job is being stopped."""

SECONDS_TO_APPEAR = 60.0
"""How long a job that was just created may be unknown: answers of AWS are not always of the same moment."""

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long a service may be away."""

    log: Any
    seconds: float

    def ask(self, call: Callable[[], T]) -> T:
        """Return what a call returns, tried again while its error is one that passes.

        Raises:
            ClientError: What the service refused, or answered to the last try.
        """
        attempts = Retrying(
            retry=retry_if_exception(will_pass),
            stop=stop_after_delay(self.seconds),
            wait=wait_exponential_jitter(initial=1, max=LONGEST_PAUSE),
            before_sleep=self._tell,
            sleep=pause,
            reraise=True,
        )
        return attempts(call)

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.log.warning(f"AWS does not answer ({error}): asked again, for {self.seconds / 60:.0f} minutes at most.")


@dataclass
class JobWatch:
    """Waits for one training job."""

    context: dg.AssetExecutionContext
    jobs: TrainingJobs
    name: str
    log: JobLog
    patience: Patience
    poll_seconds: float
    _told: int = field(default=0, init=False)

    def wait(self) -> JobState:
        """Return the state that the job ended in.

        Raises:
            dg.Failure: If it is no longer there.
        """
        began = time.monotonic()
        while True:
            state = self._ask(lambda: self.jobs.describe(self.name))
            if state:
                self._tell(state)
                if state.ended:
                    self._tell_late_lines()
                    return state
            elif time.monotonic() - began > SECONDS_TO_APPEAR:
                raise dg.Failure(
                    description=f"SageMaker does not know the job {self.name} any more: start the build again.",
                    allow_retries=True,
                )
            self._tell_lines()
            pause(self.poll_seconds)

    def stop(self) -> None:
        """End the job, and wait until SageMaker has begun to."""
        self.context.log.warning(f"The run was cancelled: the training job {self.name} is stopped.")
        self._ask(lambda: self.jobs.stop(self.name))
        until = time.monotonic() + SECONDS_TO_STOP
        while time.monotonic() < until:
            state = self._ask(lambda: self.jobs.describe(self.name))
            if state is None or state.ended or state.status == "Stopping":
                self.context.log.info(f"{self.name}: {state.status if state else 'was never created'}")
                return
            time.sleep(self.poll_seconds)
        self.context.log.error(f"{self.name} does not stop: stop it at {self.jobs.url(self.name)}.")

    def failure(self, state: JobState) -> dg.Failure:
        """Return the failure that an unsuccessful end of the job is, with what a person needs to look into it."""
        ending = ending_of(state)
        return dg.Failure(
            description=ending.description,
            metadata=failure_metadata(state, self.jobs.url(state.name), self.log.tail()),
            allow_retries=ending.retry_helps,
        )

    def _ask(self, call: Callable[[], T]) -> T:
        with refusals_told(self.name, goes_on_at=self.jobs.url(self.name)):
            return self.patience.ask(call)

    def _tell(self, state: JobState) -> None:
        for _, status, message in state.transitions[self._told :]:
            self.context.log.info(f"{self.name}: {status}{f' - {message}' if message else ''}")
        self._told = max(self._told, len(state.transitions))

    def _tell_lines(self) -> None:
        if lines := self.log.new_lines():
            self.context.log.info("\n".join(lines))

    def _tell_late_lines(self) -> None:
        for look in range(LOOKS_FOR_LATE_LINES):
            lines = self.log.new_lines()
            if lines:
                self.context.log.info("\n".join(lines))
            elif self.log.seen and look:
                return
            pause(self.poll_seconds)


def failure_metadata(state: JobState, url: str, tail: list[str]) -> Mapping[str, Any]:
    """Return what is shown of a job that failed."""
    return {
        "job": state.name,
        "status": f"{state.status} ({state.secondary})",
        "reason": state.reason or "none given",
        "console": dg.MetadataValue.url(url),
        **({"log_tail": dg.MetadataValue.md("```\n" + "\n".join(tail) + "\n```")} if tail else {}),
    }


@contextmanager
def refusals_told(name: str, *, goes_on_at: str | None = None) -> Iterator[None]:
    """Turn what AWS refuses, or does not answer, on the way to a job into a failure.

    Args:
        name: The job.
        goes_on_at: Its address in the console, once it is recorded: it is paid for whatever this run may still ask.

    Raises:
        dg.Failure: In place of the error; it says whether a retry can help.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise refusal(error, name, goes_on_at) from error


def refusal(error: Exception, name: str, goes_on_at: str | None = None) -> dg.Failure:
    """Return the failure that an error on the way to a job is; see `refusals_told`."""
    if error_code(error) == "ResourceLimitExceeded":
        return dg.Failure(
            description=f"The quota of the account does not allow this job: {_said(error)} Ask for more under Service "
            "Quotas, wait for other jobs to end, or choose another TWIN_TRAINER_INSTANCE_TYPE.",
            metadata={"job": name, "reason": _said(error)},
            allow_retries=False,
        )
    if will_pass(error):
        return dg.Failure(
            description=f"AWS did not answer in time ({error}). If the job {name} was created it goes on: a retry, or "
            "the next build, waits for it.",
            metadata={"job": name, "reason": str(error)},
            allow_retries=True,
        )
    if goes_on_at:
        return dg.Failure(
            description=f"AWS tells this run nothing more of {name}, and the job goes on: {_said(error)} Renew the "
            f"credentials, or what they may do, and build again, which waits for it; or stop it at {goes_on_at}.",
            metadata={"job": name, "reason": _said(error), "console": dg.MetadataValue.url(goes_on_at)},
            allow_retries=False,
        )
    return dg.Failure(
        description=f"AWS refused the job {name}: {_said(error)} Check the TWIN_TRAINER settings and what the "
        "credentials may do.",
        metadata={"job": name, "reason": _said(error)},
        allow_retries=False,
    )


def _said(error: Exception) -> str:
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Message") or error).rstrip(".") + "."
