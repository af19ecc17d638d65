"""Named automation conditions: what runs by itself, when, and why each clause stands there.

Automation follows *data versions*, which are hashes of content: a step that produced the same content again triggers
nothing below it. The sensors that evaluate these conditions are in `jobs.sensors`.
"""

from collections.abc import Collection
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from twin_assets.documents import TrainingPolicy
from twin_assets.new_rows import Change, changes_since_training
from twin_assets.newest_events import Partition
from twin_assets.observed_policy import recorded_policies
from twin_assets.observed_settings import SETTINGS
from twin_assets.partitions import AUTHORS_PARTITION

Condition = dg.AutomationCondition

NEVER_OBSERVED = dg.AssetSelection.assets("teacher_model", "judge_model")
"""External assets of which nothing is ever recorded, and which Dagster therefore takes for missing, for ever."""


def follow_inputs(*, every_author: bool = True) -> dg.AutomationCondition:  # type: ignore[type-arg]
    """Return the condition of CPU assets: run when an input has new content.

    Args:
        every_author: Whether all partitions of an input have to be there; the leaderboard, which shows who is missing,
            asks for none.


    - *an input has a new data version, or this was never built*: and has not been requested since. The memory of
      `since` keeps the wish alive while another clause says no.
    - *nothing is missing above*: a partial input would make a partial result that looks whole.
    - *nothing is being computed here or above, nor asked for above in this tick*: what is being computed now will ask
      again when it ends. Dagster would ask for a whole chain at once; each link would then be asked for again in the
      next tick, for new content that it has already read, and DPO would first train on the pairs of yesterday.
    - *no blocking check failed above*: a bad partition must not travel on.
    """
    condition = _wanted() & ~Condition.in_progress() & ~_input_in_the_making() & ~_failed_blocking_checks()
    if every_author:
        condition &= ~_input_missing()
    return condition.with_label("follow the inputs: new content above, everything there, every blocking check passed")


def retrain_on_new_data() -> dg.AutomationCondition:  # type: ignore[type-arg]
    """Return the condition of GPU assets: train when, and only when, the data really changed and is trustworthy.

    As `follow_inputs`, with two differences, because a training costs money:

    - *every blocking check above has passed*, not merely none failed: a check that has not run yet holds training
      back, and so does one that was run before the newest data came.
    - the request is remembered (`since`) over any number of ticks, so that a training held back by a failed check
      starts once the check passes, and starts once.
    - *enough is new*: as the author's file says (`EnoughIsNew`). It stands last, so that it is asked only about what
      would start otherwise; and because the request is remembered, small edits add up until they are enough.
    """
    return (
        _wanted()
        & ~_input_missing()
        & ~Condition.in_progress()
        & ~_input_in_the_making()
        & ~Condition.any_deps_match(
            Condition.any_checks_match(~Condition.check_passed(), blocking_only=True)
        ).with_label("a blocking check above has not passed")
        & EnoughIsNew()
    ).with_label("retrain on new data: new content above, every blocking check passed, and enough is new")


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

    Everything is read from the instance, and no file is opened: see `new_rows` and `observed_policy`.
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


def _wanted() -> dg.AutomationCondition:  # type: ignore[type-arg]
    """Return what makes an asset wanted: new content above since it was last asked for, or no result at all.

    The memory is of what was *handled*, and its opposite is wanted: where `since` is told in one tick that this was
    asked for and that an input has changed again, it forgets, and what has to be forgotten is that this was handled.
    The run that was asked for may have read the older content.

    Before there is any author, nothing is missing above an asset that reads all of them: so something has to be there.
    The settings always are, and do not count.
    """
    changed = Condition.any_deps_match(Condition.data_version_changed())
    handled = (Condition.newly_requested() | Condition.initial_evaluation()).since(changed)
    never_built = Condition.missing().newly_true().since(Condition.newly_requested() | Condition.newly_updated())
    something_above = Condition.any_deps_match(~Condition.missing()).ignore(dg.AssetSelection.assets(SETTINGS))
    return ((~handled | never_built) & something_above).with_label("an input has new content, or this was never built")


def _input_in_the_making() -> dg.AutomationCondition:  # type: ignore[type-arg]
    return Condition.any_deps_match(Condition.in_progress() | Condition.will_be_requested()).with_label(
        "an input is being computed"
    )


def _input_missing() -> dg.AutomationCondition:  # type: ignore[type-arg]
    return Condition.any_deps_missing().ignore(NEVER_OBSERVED).with_label("an input is missing")


def _failed_blocking_checks() -> dg.AutomationCondition:  # type: ignore[type-arg]
    return Condition.any_deps_match(
        Condition.any_checks_match(Condition.check_failed(), blocking_only=True)
    ).with_label("a blocking check above failed")
