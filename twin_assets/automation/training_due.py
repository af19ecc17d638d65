"""When a training is due by itself: the clause of `retrain_on_new_data` that an author's training policy decides."""

from collections.abc import Collection
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from twin_assets.automation.new_rows import Change, changes_since_training
from twin_assets.documents import TrainingPolicy
from twin_assets.observing.newest_events import Partition
from twin_assets.observing.policy import recorded_policies
from twin_assets.partitions import AUTHORS_PARTITION


class EnoughIsNew(dg.AutomationCondition[dg.AssetKey]):
    """True of what the training policy of its author lets train again by itself.

    Each clause, with its reason:

    - *it was never trained*: no policy is about the first training.
    - *an input that is no table of rows has changed*, or the settings: a new base model, SFT checkpoint or seed is not
      a small edit, and an SFT model of fewer rows on an older base is no reason to keep a DPO model of neither.
    - *at least `min_new_samples` rows came, changed or went* since the last training, not since the last tick: counted
      between what that training read and what is there now, so that nothing is forgotten when a daemon is restarted or
      a cursor is lost, and an edit that was taken back is none.
    - *the last training ended `min_hours_between` ago*, whatever the reason for the next. One that took over a finished
      checkpoint cost nothing and does not count; nor does one that failed.

    `base_model` is of all authors. It is due when one of them is: that author's own edits, held against that author's
    own policy. A sum over authors would let those who write much train a model again whose author asked for patience,
    and a strict author could hold back everybody.

    Everything is read from the instance, and no file is opened: see `new_rows` and `observing.policy`.
    """

    def get_label(self) -> str:
        """Return what the Dagster UI calls the clause."""
        return "as many rows are new, and as many hours have passed, as the author file asks for"

    @property
    def description(self) -> str:
        """What the UI says of the clause."""
        return "Enough rows are new and enough hours have passed since the last training"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """Return which of the candidates may be trained."""
        view, now = context.asset_graph_view, context.evaluation_time.timestamp()
        candidates = context.candidate_subset.expensively_compute_asset_partitions()
        partitions = {candidate.partition_key for candidate in candidates}
        ready = enough_is_new(context.asset_graph, view.instance, context.key, partitions, now=now)
        due = {candidate for candidate in candidates if candidate.partition_key in ready}
        return dg.AutomationResult(context, view.get_asset_subset_from_asset_partitions(context.key, due))


def enough_is_new(
    graph: BaseAssetGraph[Any],
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    partitions: Collection[Partition],
    *,
    now: float,
) -> set[Partition]:
    """Return the partitions of an asset that may be trained again by themselves: what `EnoughIsNew` is true of.

    All are read together, for every tick asks about whoever is waiting.

    Args:
        graph: The assets.
        instance: Where their events are.
        asset: What would be trained.
        partitions: Authors; only None if the asset has no partitions.
        now: Seconds since 1970.
    """
    if not partitions:
        return set()
    named = [partition for partition in partitions if partition is not None]
    authors = named or instance.get_dynamic_partitions(AUTHORS_PARTITION)
    inputs = {
        parent: authors if graph.get(parent).is_partitioned else [None] for parent in graph.get(asset).parent_keys
    }
    changes = changes_since_training(instance, asset, partitions, inputs)
    policies = recorded_policies(instance, authors)
    return {
        partition
        for partition, change in changes.items()
        if any(_enough(change, policies[author], author, now) for author in ([partition] if partition else authors))
    }


def _enough(change: Change, policy: TrainingPolicy, author: str, now: float) -> bool:
    if change.trained_at is None:
        return True
    # Whoever asks for no wait is not to be held up by two machines whose clocks differ.
    if policy.min_hours_between and now - change.trained_at < policy.min_hours_between * 3600:
        return False
    return bool(change.other) or change.rows.get(author, 0) >= policy.min_new_samples
