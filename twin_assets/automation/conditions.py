"""Named automation conditions: what runs by itself, when, and why each clause stands there.

Automation follows *data versions*, which are hashes of content: a step that produced the same content again triggers
nothing below it. The sensors that evaluate these conditions are in `jobs.sensors`.
"""

import dagster as dg

from twin_assets.automation.training_due import EnoughIsNew
from twin_assets.observing.settings import SETTINGS

Condition = dg.AutomationCondition

NEVER_OBSERVED = dg.AssetSelection.assets("teacher_model", "judge_model")
"""External assets of which nothing is ever recorded, and which Dagster therefore takes for missing, for ever."""


INPUT_MISSING = "an input is missing"
"""Label of the clause that asks for every author; a condition without it takes what is there."""


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
    return Condition.any_deps_missing().ignore(NEVER_OBSERVED).with_label(INPUT_MISSING)


def _failed_blocking_checks() -> dg.AutomationCondition:  # type: ignore[type-arg]
    return Condition.any_deps_match(
        Condition.any_checks_match(Condition.check_failed(), blocking_only=True)
    ).with_label("a blocking check above failed")
