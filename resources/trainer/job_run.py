"""Waiting for a job on another machine: what it says on the way reaches the run, and who ends the run ends the job.

An error of this process, or a service that is away for too long, leaves the job alone: a retry finds it again.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import dagster as dg
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from resources.trainer.aws import error_code, will_pass
from resources.trainer.interrupts import pause
from resources.trainer.log_lines import JobLog

LONGEST_PAUSE = 60.0
"""Seconds between two tries of a call that a service does not answer."""

LOOKS_FOR_LATE_LINES = 3
"""How often the log is looked at after the end: CloudWatch is some seconds behind."""

SECONDS_TO_APPEAR = 60.0
"""How long a job that was just created may be unknown: answers of AWS are not always of the same moment (for ECS, its
API reference says so of RunTask)."""

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


class State(Protocol):
    """What state a job is in."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""


S = TypeVar("S", bound=State)


@dataclass(kw_only=True)
class Watch(ABC, Generic[S]):
    """Waits for one job: its states and the lines of its log reach the run."""

    service: ClassVar[str]

    context: dg.AssetExecutionContext
    name: str
    """What the service knows the job by."""
    url: str
    """Its address in the console."""
    patience: Patience
    poll_seconds: float
    log: JobLog | None = None

    def wait(self) -> S:
        """Return the state that the job ended in.

        Raises:
            dg.Failure: If the service does not know it, for longer than a new one may be unknown.
        """
        seen = time.monotonic()
        while True:
            state = self._ask(self._describe)
            if state:
                seen = time.monotonic()
                self._tell(state)
                if state.ended:
                    self._tell_late_lines()
                    return state
            elif time.monotonic() - seen > SECONDS_TO_APPEAR:
                raise dg.Failure(
                    description=f"{self.service} does not know {self.name} any more: start the build again.",
                    allow_retries=True,
                )
            self._tell_lines()
            pause(self.poll_seconds)

    @abstractmethod
    def _describe(self) -> S | None:
        """Return the state of the job, None if the service does not know it."""

    @abstractmethod
    def _tell(self, state: S) -> None:
        """Tell the run what is new of a state."""

    def _ask(self, call: Callable[[], T]) -> T:
        with refusals_told(self.name, goes_on_at=self.url):
            return self.patience.ask(call)

    def _tell_lines(self) -> bool:
        """Tell the run what is new in the log, and return whether there was anything."""
        lines = self.log.new_lines() if self.log else []
        if lines:
            self.context.log.info("\n".join(lines))
        return bool(lines)

    def _tell_late_lines(self) -> None:
        for look in range(LOOKS_FOR_LATE_LINES if self.log else 0):
            if not self._tell_lines() and look and self.log and self.log.seen:
                return
            pause(self.poll_seconds)


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
