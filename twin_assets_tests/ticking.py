"""A platform that is ticked by hand: tick, run what was asked for, and look.

It is the real thing but for the clock: an instance on disk with the project's `dagster.yaml`, the real definitions in a
code location, and the daemons' own code for sensors, automation conditions and the queue. Between two ticks of the
daemons a minute passes on their clock, and no time for us. Runs are executed in `worker_processes.py`.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.instance import InstanceRef
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorTick
from dagster._core.test_utils import freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.asset_daemon import AssetDaemon
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from twin_assets.console.instance import keep_pools_exact, prepare_dagster_home
from twin_assets.run_states import UNFINISHED
from twin_assets.settings import Settings
from twin_assets_tests.worker_processes import RUN_CONFIG

Asked = dict[str, set[str]]
"""The partitions that are asked for, by asset; none for an asset without partitions."""

AUTOMATION_SENSORS = ("automation_cpu", "automation_llm", "automation_gpu")
_LOG = logging.getLogger("ticking")
A_MINUTE = timedelta(seconds=61)


@dataclass
class Platform:
    """An instance and a code location, with the daemons in our hand."""

    home: Path
    workspace: WorkspaceProcessContext
    ahead: timedelta = field(default=-timedelta(days=30))
    """How far the daemons' clock is ahead of ours. It stays behind: the runs go by our clock, and what a sensor has
    recorded before a run has to be older than the run."""

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.workspace.instance

    def configure_runs(self, config: Mapping[str, Any]) -> None:
        """Set the configuration of every run from now on."""
        (self.home / RUN_CONFIG).write_text(yaml.safe_dump(dict(config)), encoding="utf-8")

    def start_sensors(self, *names: str) -> None:
        """Switch sensors on, as one does in the UI; the three that evaluate conditions by default."""
        for name in names or AUTOMATION_SENSORS:
            self.instance.start_sensor(self._repository().get_sensor(name))

    def stop_sensors(self, *names: str) -> None:
        """Switch sensors off."""
        for name in names:
            sensor = self._repository().get_sensor(name)
            self.instance.stop_sensor(sensor.get_remote_origin_id(), sensor.selector_id, sensor)

    def tick(self, *, after: timedelta = A_MINUTE) -> Asked:
        """Let every sensor that is on tick once, and return what they put into the queue."""
        self.ahead += after
        now = datetime.now(UTC) + self.ahead
        with freeze_time(now):
            for _ in execute_sensor_iteration(self.workspace, _LOG, None, None):
                pass
            AssetDaemon(settings={}, pre_sensor_interval_seconds=0)._run_iteration_impl(
                self.workspace, threadpool_executor=None, amp_tick_futures={}, debug_crash_flags={}
            )
        asked: Asked = {}
        for tick in self._newest_ticks():
            if tick.timestamp >= now.timestamp():
                for key, partitions in tick.requested_assets_and_partitions.items():
                    asked.setdefault(key.to_user_string(), set()).update(partitions)
        return asked

    def run(self, *, timeout: float = 400) -> None:
        """Take runs from the queue, as many at a time as the pools and limits let through, until none is left."""
        queue = QueuedRunCoordinatorDaemon(interval_seconds=0)
        deadline = time.monotonic() + timeout
        backfills_due = 0.0
        while self._backfills() or self._runs():
            assert time.monotonic() < deadline, "the queue does not get empty"
            # It asks what became of every partition, each time: of fifty, that is most of what this process does.
            if time.monotonic() > backfills_due or not self._runs():
                for error in execute_backfill_iteration(self.workspace, _LOG):
                    assert error is None, error
                backfills_due = time.monotonic() + 3
            for _ in queue.run_iteration(self.workspace):
                pass
            assert not self.instance.run_launcher.died()
            time.sleep(0.1)

    def tick_and_run(self) -> Asked:
        """Tick once and run what was asked for."""
        asked = self.tick()
        self.run()
        return asked

    def settle(self, *, ticks: int = 20) -> list[Asked]:
        """Tick and run until two ticks ask for nothing; return what each of them asked for.

        Two, because a sensor that finds a new author registers it in one tick, and the conditions see it in the next.
        """
        history = []
        for _ in range(ticks):
            history.append(self.tick_and_run())
            if len(history) > 1 and not any(history[-2:]):
                return history
        raise AssertionError(f"every tick asks for something, the last one for {history[-1]}")

    def pass_to_schedule(self, name: str) -> list[dg.DagsterRun]:
        """Switch a schedule on, let a week pass, run what it asks for, and return the runs."""
        schedule = self._repository().get_schedule(name)
        before = {run.run_id for run in self.instance.get_runs()}
        with freeze_time(datetime.now(UTC) + self.ahead):
            self.instance.start_schedule(schedule)
        self.ahead += timedelta(days=7)
        now = datetime.now(UTC) + self.ahead
        with freeze_time(now):
            for _ in launch_scheduled_runs(self.workspace, _LOG, now, iteration_times={}, max_catchup_runs=1):
                pass
        self._newest_ticks()
        self.run()
        self.instance.stop_schedule(schedule.get_remote_origin_id(), schedule.selector_id, schedule)
        return [run for run in self.instance.get_runs() if run.run_id not in before]

    def versions(self, asset: str, author: str | None = None) -> list[str]:
        """Return the data version of each materialization of an asset, the oldest first."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[author] if author else None),
            limit=100,
            ascending=True,
        ).records
        tags = [record.asset_materialization.tags for record in records if record.asset_materialization]
        return [str((tag or {})["dagster/data_version"]) for tag in tags]

    def asset_graph(self) -> BaseAssetGraph[Any]:
        """Return the graph as the daemons see it."""
        return self.workspace.create_request_context().asset_graph

    def _repository(self) -> Any:
        (repository,) = self.workspace.create_request_context().code_locations[0].get_repositories().values()
        return repository

    def _backfills(self) -> bool:
        return bool(self.instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])))

    def _runs(self) -> bool:
        return bool(self.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1))

    def _newest_ticks(self) -> list[InstigatorTick]:
        states = self.instance.all_instigator_state()
        ticks = [self.instance.get_ticks(one.instigator_origin_id, one.selector_id, limit=1) for one in states]
        newest = [tick for (tick,) in filter(None, ticks)]
        assert not [tick.error for tick in newest if tick.error]
        return newest


def total(history: list[Asked]) -> Asked:
    """Return what a number of ticks asked for altogether."""
    asked: Asked = {}
    for tick in history:
        for asset, partitions in tick.items():
            asked.setdefault(asset, set()).update(partitions)
    return asked


@contextmanager
def ticked(settings: Settings, *, definitions: str = "platform_defs") -> Iterator[Platform]:
    """Open a platform.

    Args:
        settings: What it runs on.
        definitions: Name of a function in `worker_processes` that makes the definitions of the settings.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    given = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in settings.model_dump(exclude_unset=True).items()
    }
    code = settings.home / "definitions.py"
    code.write_text(
        f"from twin_assets_tests.worker_processes import {definitions}\n\ndefs = {definitions}(**{given!r})\n",
        encoding="utf-8",
    )
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file=str(code)), location_name="twin_assets")
    reference = InstanceRef.from_dir(
        str(prepare_dagster_home(settings)),
        overrides={"run_launcher": {"module": "twin_assets_tests.worker_processes", "class": "ForkedRunLauncher"}},
    )
    with (
        dg.DagsterInstance.from_ref(reference) as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(location)) as workspace,
    ):
        keep_pools_exact(instance)
        yield Platform(settings.home, workspace)
