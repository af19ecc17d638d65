"""The runs that `twin build` executes in its own process: which of them have lost it, and who is in a pool.

A process that is killed cannot say so. Its run would be called started for ever, its place in a pool would stay taken,
and the next build would wait for it without end. Dagster's run monitoring is the work of a daemon, which `twin build`
does without; so each build looks for such runs itself. A run of the UI is left to the daemon.
"""

import os
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import psutil  # type: ignore[import-untyped]
from dagster._core.storage.dagster_run import RunRecord

from twin_assets.run_states import UNFINISHED

LAUNCHER = "twin build"
_LAUNCHED_BY, _HOST, _PID, _BEGAN = "launched_by", "twin/host", "twin/pid", "twin/process_began"

IN_A_PROCESS = [status for status in UNFINISHED if status != dg.DagsterRunStatus.QUEUED]
"""What waits in the queue has no process yet that could be gone."""

Notice = Callable[[str], None]


def process_tags() -> dict[str, str]:
    """Return the tags by which a later build can tell whether the process of a run is still there."""
    pid = os.getpid()
    return {_LAUNCHED_BY: LAUNCHER, _HOST: socket.gethostname(), _PID: str(pid), _BEGAN: _began(pid) or ""}


def end_killed_runs(instance: dg.DagsterInstance, notice: Notice) -> None:
    """Report each run of `twin build` failed whose process is gone from this machine, and free its places in pools."""
    wanted = dg.RunsFilter(statuses=IN_A_PROCESS, tags={_LAUNCHED_BY: LAUNCHER, _HOST: socket.gethostname()})
    for record in instance.get_run_records(wanted):
        run = record.dagster_run
        # Whoever runs a build again in the UI gets a run with its tags, and another process.
        if run.parent_run_id or _began(int(run.tags[_PID])) == run.tags[_BEGAN]:
            continue
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        instance.report_run_failed(run, message=f"The process of this run, {run.tags[_PID]}, was killed.")
        notice(f"{_named(record)} was killed; its place is free again.")


def give_places_back(instance: dg.DagsterInstance, run_id: str) -> None:
    """Free what places in pools a run still has that has ended: Dagster leaves those of one that was interrupted."""
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def place_in(instance: dg.DagsterInstance, pool: str, *, run_id: str, step: str) -> bool:
    """Return whether a step of a run could enter a pool now, or is already in it."""
    info = instance.event_log_storage.get_concurrency_info(pool)
    inside = [(slot.run_id, slot.step_key) for slot in info.claimed_slots]
    inside += [(pending.run_id, pending.step_key) for pending in info.pending_steps if pending.assigned_timestamp]
    return (run_id, step) in inside or len(inside) < info.slot_count


def who_is_in(instance: dg.DagsterInstance, pool: str) -> str:
    """Return in words which steps of which runs are in a pool."""
    return ", ".join(_occupants(instance, pool)) or "another run"


def _occupants(instance: dg.DagsterInstance, pool: str) -> Iterator[str]:
    for slot in instance.event_log_storage.get_concurrency_info(pool).claimed_slots:
        record = instance.get_run_record_by_id(slot.run_id)
        whose = _named(record) if record else f"run {slot.run_id[:8]}"
        yield f"{slot.step_key} of {whose[0].lower()}{whose[1:]}"


def _named(record: RunRecord) -> str:
    """Return a run as a person would know it."""
    tags = record.dagster_run.tags
    began = datetime.fromtimestamp(record.start_time or record.create_timestamp.timestamp()).astimezone()
    author = tags.get("author") or tags.get("dagster/partition") or "all authors"
    if tags.get(_LAUNCHED_BY) == LAUNCHER:
        return f"The build of {author} that began at {began:%Y-%m-%d %H:%M} (process {tags[_PID]})"
    return f"Run {record.dagster_run.run_id[:8]} of {author} that began at {began:%Y-%m-%d %H:%M}"


def _began(pid: int) -> str | None:
    """Return when a process began, in a form that is the same whenever it is asked; None if it is gone.

    A number alone does not name a process, because numbers are given again.
    """
    if Path("/proc/self/stat").exists():
        # Ticks since the machine started. The clock time that psutil gives moves when the clock is set.
        try:
            state, *facts = (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            )
        except OSError:
            return None
        return None if state in {"Z", "X"} else facts[18]
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
