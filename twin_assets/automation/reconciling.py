"""What is stale although its automation is on: triggers that were lost between two ticks.

A condition remembers in its sensor's cursor what has changed since the last tick. Where the cursor was lost, or the
sensor was off while data changed, nobody will ever ask. This compares what every asset was built from with what is
there now, which needs no memory, and is slow: Dagster's resolver is asked about every asset of every author.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

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
        lost: The assets that should be built, each with the versions of its inputs.
        held: Why a stale asset is not among them.
    """

    lost: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)

    def run_key(self, author: str | None) -> str:
        """Return a key that is the same as long as the inputs are: what was asked for once is not asked for again."""
        versions = content_hash({name: dict(inputs) for name, inputs in self.lost.items()})
        return f"reconciliation-{author or 'all'}-{versions[:16]}"


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
        self._running = self._places_of(UNFINISHED, after=None)
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
                lost[asset] = self._inputs(asset, author)
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
        if reason := self._not_ready(built):
            return reason
        changed = max((self._newest(name, of)[0] for name, of in above), default=0.0)
        if self._now - changed < SETTLED_SECONDS:
            return "an input changed within the hour"
        if any(place in self._running for place in [(asset, author), *built]):
            return "it, or an input, is being computed"
        if (asset, author) in self._places_of([dg.DagsterRunStatus.FAILURE], after=changed):
            return "it failed on these inputs: a person has to look"
        if _is_trained(self._graph.get(key).automation_condition) and not enough_is_new(
            self._graph, self._instance, key, [author], now=self._now
        ):
            return "not enough is new for a training"
        return None

    def _not_ready(self, inputs: list[Place]) -> str | None:
        """Return what is wrong with the first input that cannot be built upon; None if all can."""
        for name, author in inputs:
            state = self._state(name, author)
            if state.state != "fresh":
                return f"{name} is {state.state}"
            if state.blocked:
                return f"a blocking check of {name} has not passed"
        return None

    def _inputs(self, asset: str, author: str | None) -> dict[str, str]:
        """Return the data version of each input by name, its author after a slash."""
        return {
            f"{parent.to_user_string()}/{of or ''}": self._newest(parent.to_user_string(), of)[1]
            for parent in self._graph.get(dg.AssetKey(asset)).parent_keys
            for of in self._of(parent, author)
        }

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

    def _newest(self, asset: str, author: str | None) -> tuple[float, str]:
        """Return when an asset was last built or observed, in seconds since 1970, and its data version."""
        wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[author] if author else None)
        records = (
            self._instance.fetch_materializations(wanted, limit=1).records
            or self._instance.fetch_observations(wanted, limit=1).records
        )
        if not records:
            return 0.0, ""
        event = records[0].asset_materialization or records[0].asset_observation
        return records[0].timestamp, ((event.tags or {}).get(DATA_VERSION_TAG, "") if event else "")

    def _places_of(self, statuses: list[dg.DagsterRunStatus], *, after: float | None) -> set[Place]:
        """Return what runs with these statuses were to build, of those that were created after a moment."""
        places: set[Place] = set()
        created_after = None if after is None else datetime.fromtimestamp(after, UTC)
        for run in self._instance.get_runs(dg.RunsFilter(statuses=statuses, created_after=created_after)):
            author = run.tags.get("dagster/partition")
            selected = run.asset_selection or self._graph.materializable_asset_keys
            places |= {
                (key.to_user_string(), author if self._graph.has(key) and self._graph.get(key).is_partitioned else None)
                for key in selected
            }
        return places


def _is_trained(condition: dg.AutomationCondition | None) -> bool:  # type: ignore[type-arg]
    """Return whether a condition asks for enough that is new."""
    return condition is not None and (
        isinstance(condition, EnoughIsNew) or any(_is_trained(child) for child in condition.children)
    )
