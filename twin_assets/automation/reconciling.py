"""What is stale although its automation is on: triggers that were lost between two ticks.

A condition remembers in its sensor's cursor what has changed since the last tick. Where the cursor was lost, or the
sensor was off while data changed, nobody will ever ask. This compares what every asset was built from with what is
there now, which needs no memory, and is slow: Dagster's resolver is asked about every asset of every author.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from twin_assets.automation.conditions import INPUT_MISSING
from twin_assets.automation.staleness import AssetState, StateReader
from twin_assets.automation.training_due import EnoughIsNew, enough_is_new
from twin_assets.documents import content_hash
from twin_assets.observing.recording import DATA_VERSION_TAG
from twin_assets.partitions import AUTHORS_PARTITION
from twin_assets.run_states import UNFINISHED

SETTLED_SECONDS = 3600.0
"""How long an input has to stand still: the next tick of the automation sensor may be about to ask."""


Place = tuple[str, str | None]
"""An asset and its author; None for an asset of all."""


@dataclass(frozen=True)
class Drift:
    """What is stale although its automation is on, of one author or of the assets of all.

    Attributes:
        lost: The assets that should be built, each with the versions of its inputs and of its code, and with the last
            build of it that there was.
        held: Why a stale asset is not among them.
    """

    lost: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)

    def run_key(self, author: str | None) -> str:
        """Return a key that is the same as long as the find is: what was asked for once is not asked for again.

        Dagster forgets no key. So another release, or inputs that are again what they once were, have to make another.
        """
        found = content_hash({name: dict(ground) for name, ground in self.lost.items()})
        return f"reconciliation-{author or 'all'}-{found[:16]}"


class Reconciler:
    """Looks for lost triggers on one instance, as it is at one moment."""

    def __init__(
        self, reader: StateReader, instance: dg.DagsterInstance, *, groups: Collection[str], now: float
    ) -> None:
        """Prepare a reconciliation.

        Args:
            reader: Reads the states.
            instance: Where the events are.
            groups: Groups whose automation is on; what a person paused is not started behind their back.
            now: Seconds since 1970.
        """
        self._reader, self._instance, self._groups, self._now = reader, instance, groups, now
        self._graph = reader.graph
        self._authors = sorted(instance.get_dynamic_partitions(AUTHORS_PARTITION))
        unfinished = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        self._running = {place for run in unfinished for place in self._places_of(run)}
        self._states: dict[Place, AssetState] = {}

    def drift(self, author: str | None) -> Drift:
        """Return what is lost of one author; of the assets that have no author for None.

        Of a chain of stale assets only the first is asked for: the others follow it, or turn out to be fresh.
        """
        lost, held = {}, {}
        for asset in self._reader.build_order():
            node = self._graph.get(dg.AssetKey(asset))
            if node.is_partitioned != (author is not None) or node.group_name not in self._groups:
                continue
            if self._state(asset, author).state == "fresh":
                continue
            reason = self._why_not(asset, author)
            if reason:
                held[asset] = reason
            else:
                lost[asset] = self._ground(asset, author)
        return Drift(lost, held)

    def _why_not(self, asset: str, author: str | None) -> str | None:
        """Return why a stale asset is not to be built now; None if nothing speaks against it."""
        key = dg.AssetKey(asset)
        above = [
            (parent.to_user_string(), of)
            for parent in self._graph.get(key).parent_keys
            for of in self._of(parent, author)
        ]
        built = [place for place in above if dg.AssetKey(place[0]) in self._graph.materializable_asset_keys]
        condition = self._graph.get(key).automation_condition
        takes_all = any(part.get_label() == INPUT_MISSING for part in _parts(condition))
        if reason := self._not_ready(built, takes_all=takes_all):
            return reason
        changed = max((record.timestamp for place in above if (record := self._newest(*place))), default=0.0)
        if self._now - changed < SETTLED_SECONDS:
            return "an input changed within the hour"
        if any(place in self._running for place in [(asset, author), *built]):
            return "it, or an input, is being computed"
        if self._failed_since(changed, asset, author):
            return "it failed on these inputs: a person has to look"
        if any(isinstance(part, EnoughIsNew) for part in _parts(condition)) and not enough_is_new(
            self._graph, self._instance, key, [author], now=self._now
        ):
            return "not enough is new for a training"
        return None

    def _not_ready(self, inputs: list[Place], *, takes_all: bool) -> str | None:
        """Return what is wrong with the first input that cannot be built upon; None if all can.

        What does not ask for every author, as the leaderboard, shows who is missing or behind, and waits for nobody.
        """
        for name, author in inputs:
            state = self._state(name, author)
            if takes_all and state.state != "fresh":
                return f"{name} is {state.state}"
            if state.blocked:
                return f"a blocking check of {name} has not passed"
        return None

    def _ground(self, asset: str, author: str | None) -> dict[str, str]:
        """Return what an asset would be built from: versions of inputs and code; and after which build of its own."""
        node, last = self._graph.get(dg.AssetKey(asset)), self._newest(asset, author)
        inputs = {
            f"{parent.to_user_string()}/{of or ''}": _version_of(self._newest(parent.to_user_string(), of))
            for parent in node.parent_keys
            for of in self._of(parent, author)
        }
        return {**inputs, "code": node.code_version or "", "last build": str(last.storage_id) if last else ""}

    def _of(self, parent: dg.AssetKey, author: str | None) -> list[str | None]:
        """Return the partitions of an input that are read."""
        if not self._graph.get(parent).is_partitioned:
            return [None]
        return [author] if author else list(self._authors)

    def _state(self, asset: str, author: str | None) -> AssetState:
        place = (asset, author)
        if place not in self._states:
            self._states[place] = self._reader.state(asset, author)
        return self._states[place]

    def _newest(self, asset: str, author: str | None) -> dg.EventLogRecord | None:
        """Return the last build of an asset, or its last observation where it is never built."""
        wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[author] if author else None)
        records = (
            self._instance.fetch_materializations(wanted, limit=1).records
            or self._instance.fetch_observations(wanted, limit=1).records
        )
        return records[0] if records else None

    def _failed_since(self, changed: float, asset: str, author: str | None) -> bool:
        """Return whether a run failed to build an asset after its inputs changed, and after it was last built.

        The inputs may have been built in the same run, so that what counts is when it failed, not when it began. One
        that built the asset, and failed at another, says nothing against it.
        """
        last = self._newest(asset, author)
        after = datetime.fromtimestamp(max(changed, last.timestamp if last else 0.0), UTC)
        failed = self._instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=after))
        built_by = last.run_id if last else None
        return any((asset, author) in self._places_of(run) for run in failed if run.run_id != built_by)

    def _places_of(self, run: dg.DagsterRun) -> set[Place]:
        """Return what a run was to build."""
        author = run.tags.get("dagster/partition")
        selected = run.asset_selection or self._graph.materializable_asset_keys
        return {
            (key.to_user_string(), author if self._graph.has(key) and self._graph.get(key).is_partitioned else None)
            for key in selected
        }


def _version_of(record: dg.EventLogRecord | None) -> str:
    """Return the data version that was recorded with a build or an observation."""
    event = (record.asset_materialization or record.asset_observation) if record else None
    return (event.tags or {}).get(DATA_VERSION_TAG, "") if event else ""


def _parts(condition: dg.AutomationCondition | None) -> Iterator[dg.AutomationCondition]:  # type: ignore[type-arg]
    """Yield a condition and all that it is put together from."""
    if condition is not None:
        yield condition
        for child in condition.children:
            yield from _parts(child)
