"""Checks that no run has made, recorded as a run records them: on the newest materialization of their asset."""

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)


def record_check(
    instance: dg.DagsterInstance, check: dg.AssetCheckKey, partition: str | None, *, passed: bool = True
) -> None:
    """Record what a blocking check found."""
    wanted = dg.AssetRecordsFilter(check.asset_key, asset_partitions=[partition] if partition else None)
    (record,) = instance.fetch_materializations(wanted, limit=1).records
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=passed,
            partition=partition,
            blocking=True,
            target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
                storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
            ),
        )
    )
