"""What is built, what is stale and why: the same answer that the Dagster UI gives, for commands and sensors.

Dagster compares the data versions of an asset's inputs and its code version with those it was built from. This module
is the one place that touches its resolver (`CachingStaleStatusResolver`, the class behind the UI's status), which is
not a public API: a change there stays here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleCause, StaleStatus
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

State = Literal["fresh", "stale", "missing"]

_STATES: dict[StaleStatus, State] = {
    StaleStatus.FRESH: "fresh",
    StaleStatus.STALE: "stale",
    StaleStatus.MISSING: "missing",
}


@dataclass(frozen=True)
class AssetState:
    """The state of one asset, for one author where it is partitioned."""

    asset: str
    author: str | None
    state: State
    causes: tuple[str, ...]
    """Why it is stale, each as a short clause."""
    failed_checks: tuple[str, ...]
    """Names of the checks that did not pass: those that failed at their last run, and of those that block also each
    that has not passed on what was built last, because it raised an error, was interrupted, or never ran."""
    complaints: tuple[str, ...]
    """What each of them says, in the same order."""
    blocked: bool
    """Whether one of them blocks, so that what is below was not built from it."""

    @property
    def needs_building(self) -> bool:
        """Whether building it could change anything: a check that only warns says the same of the same content."""
        return self.state != "fresh" or self.blocked


class StateReader:
    """Reads the states of assets from a Dagster instance, without writing anything."""

    def __init__(self, definitions: dg.Definitions | dg.RepositoryDefinition, instance: dg.DagsterInstance) -> None:
        """Read from an instance; a sensor, which has no definitions at hand, gives the repository it is part of."""
        self._instance = instance
        self.graph = (
            definitions.asset_graph
            if isinstance(definitions, dg.RepositoryDefinition)
            else definitions.resolve_asset_graph()
        )
        self._resolver = CachingStaleStatusResolver(instance, self.graph, LoadingContextForTest(instance))

    def state(self, asset: str, author: str | None) -> AssetState:
        """Return the state of one asset; `author` counts only if the asset is partitioned."""
        key = dg.AssetKey(asset)
        partition = author if self.graph.get(key).is_partitioned else None
        state = _STATES[self._resolver.get_status(key, partition)]
        causes = self._resolver.get_stale_causes(key, partition) if state == "stale" else []
        failed = dict(self._failed_checks(key, partition))
        return AssetState(
            asset=asset,
            author=partition,
            state=state,
            causes=tuple(_clause(cause) for cause in causes),
            failed_checks=tuple(check.name for check in failed),
            complaints=tuple(failed.values()),
            blocked=any(self.graph.get_check_spec(check).blocking for check in failed),
        )

    def states(self, author: str) -> list[AssetState]:
        """Return the states of all assets that the platform builds, inputs before what is made of them.

        Dagster calls an asset stale when an input of its own has changed. Here it is stale also when an input is: what
        stands on old ground is old, and the one who asks should see how far an edit reaches.
        """
        found: dict[str, AssetState] = {}
        for asset in self.build_order():
            state = self.state(asset, author)
            parents = sorted(key.to_user_string() for key in self.graph.get(dg.AssetKey(asset)).parent_keys)
            causes = tuple(
                f"{parent} is {found[parent].state}"
                for parent in parents
                if parent in found and found[parent].state != "fresh"
            )
            found[asset] = replace(state, state="stale", causes=causes) if state.state == "fresh" and causes else state
        return list(found.values())

    def build_order(self) -> list[str]:
        """Return the names of all assets that the platform builds by itself, inputs first.

        One without an automation condition, such as a trial of a sweep, is made when somebody asks for it.
        """
        return [
            key.to_user_string()
            for key in self.graph.toposorted_asset_keys
            if key in self.graph.materializable_asset_keys and self.graph.get(key).automation_condition
        ]

    def downstream(self, assets: Iterable[str]) -> set[str]:
        """Return these assets and everything made of them."""
        pending, found = {dg.AssetKey(asset) for asset in assets}, set()
        while pending:
            key = pending.pop()
            found.add(key)
            pending |= self.graph.get(key).child_keys - found
        return {key.to_user_string() for key in found}

    def upstream(self, asset: str) -> set[str]:
        """Return an asset and everything that it is made of."""
        pending, found = {dg.AssetKey(asset)}, set()
        while pending:
            key = pending.pop()
            found.add(key)
            pending |= self.graph.get(key).parent_keys - found
        return {key.to_user_string() for key in found}

    def _failed_checks(self, key: dg.AssetKey, partition: str | None) -> Iterator[tuple[dg.AssetCheckKey, str]]:
        """Yield each check that did not pass, and what it says."""
        built = self._built(key, partition)
        for check_key in sorted(self.graph.get_check_keys_for_assets({key}), key=lambda check: check.name):
            records = self._instance.event_log_storage.get_asset_check_execution_history(
                check_key, limit=1, partition_filter=PartitionKeyFilter(key=partition) if partition else None
            )
            last = records[0] if records else None
            if last and last.status == AssetCheckExecutionRecordStatus.FAILED:
                yield check_key, (last.evaluation and last.evaluation.description) or "It did not pass."
            elif built and self.graph.get_check_spec(check_key).blocking and not _passed_since(built, last):
                # What is below was not built from it in that run, and must not be built from it in the next.
                yield check_key, "It has not run to its end on what was built last."

    def _built(self, key: dg.AssetKey, partition: str | None) -> float | None:
        """Return when an asset was last materialized."""
        records = self._instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None), limit=1
        ).records
        return records[0].timestamp if records else None


def _passed_since(built: float, last: AssetCheckExecutionRecord | None) -> bool:
    """Return whether the last run of a check passed, and was not of something older."""
    return bool(
        last
        and last.status == AssetCheckExecutionRecordStatus.SUCCEEDED
        and last.event
        and last.event.timestamp >= built
    )


def _clause(cause: StaleCause) -> str:
    """Return a cause in words, with the input as its subject where it is one's fault."""
    if cause.dependency is None:
        return cause.reason
    return f"{cause.dependency.asset_key.to_user_string()} {cause.reason.replace('new dependency', 'new')}"
