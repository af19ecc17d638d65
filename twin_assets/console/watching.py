"""Watching a run while it goes on: what was built, what failed and why, and what a step waits for.

A watch hears every event of its run in the thread that runs it. How the run is put together does not belong here.
"""

import logging
import time
from collections.abc import Callable, Iterator

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import DagsterEventType, EngineEventData, JobFailureData, RunFailureReason
from dagster._utils.interrupts import raise_interrupts_as

from twin_assets.console.runs import end_killed_runs, place_in, who_is_in
from twin_assets.failures import trouble_of_record

INTERRUPTIONS = {DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__}
KEPT = "what was finished is kept, and the next build goes on from there."

SECONDS_BETWEEN_LOOKS = 1.0
"""How often a waiting step looks whether there is a place for it."""

Progress = Callable[[dg.DagsterEvent], None]
Notice = Callable[[str], None]


class RunWatch:
    """Listens to one run."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, progress: Progress, notice: Notice) -> None:
        self._instance = instance
        self._run_id = run_id
        self._progress = progress
        self._notice = notice
        self._events: list[dg.DagsterEvent] = []
        self._complaints: dict[str, str] = {}

    def hear(self, entry: dg.EventLogEntry) -> None:
        """Take note of an event, and let a step that has to wait do so here, where it can be interrupted.

        Raises:
            DagsterExecutionInterruptedError: If somebody interrupted a step: who presses Ctrl-C means the whole run.
                Where a step has a retry policy, Dagster sees no more than a failure of it, and would go on.
        """
        event = entry.dagster_event
        if event:
            self._events.append(event)
            self._progress(event)
            if event.event_type == DagsterEventType.STEP_UP_FOR_RETRY:
                self._tell_of_the_retry(event)
            if event.event_type == DagsterEventType.ENGINE_EVENT and "pool" in event.engine_event_data.metadata:
                self._wait(str(event.step_key), event.engine_event_data)
            if _was_interrupted(event):
                raise DagsterExecutionInterruptedError
        elif entry.step_key and int(entry.level) >= logging.ERROR:
            self._complaints[entry.step_key] = entry.user_message

    @property
    def built(self) -> tuple[str, ...]:
        """The assets that were materialized."""
        return tuple(
            event.asset_key.to_user_string()
            for event in self._events
            if event.is_step_materialization and event.asset_key
        )

    @property
    def failed(self) -> tuple[str, ...]:
        """The steps that failed."""
        return tuple(str(event.step_key) for event in self._events if event.is_step_failure)

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended the run."""
        return any(
            isinstance(event.event_specific_data, JobFailureData)
            and event.event_specific_data.failure_reason == RunFailureReason.UNEXPECTED_TERMINATION
            for event in self._events
        )

    def failures(self) -> Iterator[str]:
        """Yield why each step failed: what its payload complained of, or the innermost error."""
        for event in self._events:
            if event.is_step_failure:
                if _was_interrupted(event):
                    reason = f"it was interrupted; {KEPT}"
                else:
                    sentence = trouble_of_record(event.step_failure_data.error).sentence
                    reason = self._complaints.get(str(event.step_key)) or sentence
                yield f"{event.step_key}: {reason}"
        if self.interrupted and not self.failed:
            yield f"The build was interrupted; {KEPT}"

    def _tell_of_the_retry(self, event: dg.DagsterEvent) -> None:
        """Say why nothing happens for a while: the step is tried again, because what failed may pass by itself."""
        data = event.step_retry_data
        seconds = f" in {data.seconds_to_wait:.0f} s" if data.seconds_to_wait else ""
        self._notice(f"{event.step_key}: {trouble_of_record(data.error).sentence} It is tried again{seconds}.")

    def _wait(self, step: str, data: EngineEventData) -> None:
        """Wait until there is a place in the pool.

        Dagster would wait as well, but in silence, deaf to Ctrl-C, and for ever if who holds the place is killed.
        """
        pool = str(data.metadata["pool"].value)
        if place_in(self._instance, pool, run_id=self._run_id, step=step):
            return
        self._notice(
            f"{step} waits until {who_is_in(self._instance, pool)} is done: one step at a time may be in the pool "
            f"{pool}. Ctrl-C ends the waiting."
        )
        with raise_interrupts_as(DagsterExecutionInterruptedError):
            while not place_in(self._instance, pool, run_id=self._run_id, step=step):
                time.sleep(SECONDS_BETWEEN_LOOKS)
                end_killed_runs(self._instance, self._notice)


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    """Return whether a step failed because somebody interrupted it, whatever was made of that on the way."""
    error = event.step_failure_data.error if event.is_step_failure else None
    while error and error.cls_name not in INTERRUPTIONS:
        error = error.cause
    return error is not None
