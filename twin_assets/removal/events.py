"""What the Dagster instance holds of an author: runs with their events and logs, and the partition.

What of them stays in Dagster's tables when the runs are deleted is the business of `records`.
"""

from collections.abc import Collection

import dagster as dg

from twin_assets.errors import UserError
from twin_assets.partitions import AUTHORS_PARTITION
from twin_assets.removal.holdings import Holding
from twin_assets.run_states import UNFINISHED

PARTITION = "partition"
"""What the partition is called among the holdings."""
PARTITION_TAG = "dagster/partition"


def refuse_while_running(instance: dg.DagsterInstance, author: str, made_of_all: Collection[str]) -> None:
    """Make sure that nothing is being built for an author, or of all authors.

    Args:
        instance: Where the runs are.
        author: Slug of the author.
        made_of_all: Assets that are made of the writings of all authors.

    Raises:
        UserError: If such a run has not ended: it would write again what is being removed.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        shared = sorted(_planned(instance, run.run_id) & set(made_of_all))
        if shared or run.tags.get(PARTITION_TAG) == author:
            raise UserError(
                f"Run {run.run_id[:8]} of {' and '.join(shared) or author} has not ended: let it end, or cancel it in "
                "the Dagster UI, then run this again."
            )


def _planned(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    """Return the assets that a run is to build; its selection does not tell where it is that of a whole job."""
    planned = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED).records
    keys = (record.event_log_entry.get_dagster_event().asset_key for record in planned)
    return {key.to_user_string() for key in keys if key}


def events_held(instance: dg.DagsterInstance, author: str) -> Holding:
    """Return the author's runs."""
    run_ids = [run.run_id for run in instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: author}))]

    def remove() -> None:
        for run_id in run_ids:
            instance.compute_log_manager.delete_logs(prefix=[run_id])
            instance.delete_run(run_id)

    return Holding("runs and their events", "Dagster", len(run_ids), 0, remove)


def partition_held(instance: dg.DagsterInstance, author: str) -> Holding:
    """Return the author's partition."""
    there = author in instance.get_dynamic_partitions(AUTHORS_PARTITION)
    return Holding(
        PARTITION,
        "Dagster",
        int(there),
        0,
        lambda: instance.delete_dynamic_partition(AUTHORS_PARTITION, author),
    )


def tell_of_the_removal(instance: dg.DagsterInstance, assets: list[str]) -> None:
    """Let assets that were made of all authors count as never built, so that they are built again without this one.

    A removed partition is no event, and nothing would ever ask for them.
    """
    instance.wipe_assets([dg.AssetKey(asset) for asset in assets])
