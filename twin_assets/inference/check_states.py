"""Which checks of an asset passed on what it holds now, read from the instance.

What a failed or missing check means for a promotion is decided in `evaluation.promotion`.
"""

from collections.abc import Iterable, Sequence

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from twin_assets.evaluation.promotion import CheckState


def check_states(
    instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckSpec], author: str, *, assets: Sequence[str]
) -> tuple[CheckState, ...]:
    """Return the state of every check of some assets for one author.

    A check counts for what it looked at: one that ran before the newest materialization of its asset is missing.

    Args:
        instance: Where checks are recorded.
        checks: Specs of the checks there are.
        author: Slug of the author.
        assets: The assets whose checks are wanted.
    """
    return tuple(
        CheckState(
            name=f"{check.asset_key.to_user_string()}: {check.name}",
            blocking=check.blocking,
            state=_state(instance, check.key, author),
        )
        for check in sorted(checks, key=lambda check: (assets.index(check.asset_key.to_user_string()), check.name))
    )


def _state(instance: dg.DagsterInstance, check: dg.AssetCheckKey, author: str) -> str:
    history = instance.event_log_storage.get_asset_check_execution_history(
        check, limit=1, partition_filter=PartitionKeyFilter(key=author)
    )
    if not history or not _is_of_the_newest(instance, history[0], author):
        return "missing"
    if history[0].status == AssetCheckExecutionRecordStatus.SUCCEEDED:
        return "passed"
    if history[0].status != AssetCheckExecutionRecordStatus.FAILED:
        return "missing"
    evaluation = history[0].evaluation
    warned = evaluation is not None and evaluation.severity == dg.AssetCheckSeverity.WARN
    return "warned" if warned else "failed"


def _is_of_the_newest(instance: dg.DagsterInstance, record: AssetCheckExecutionRecord, author: str) -> bool:
    newest = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=record.key.asset_key, asset_partitions=[author]), limit=1
    ).records
    if not newest:
        return False
    looked_at = record.evaluation.target_materialization_data if record.evaluation else None
    if looked_at is None:
        return bool(newest[0].timestamp <= record.create_timestamp)
    return bool(looked_at.storage_id == newest[0].storage_id)
