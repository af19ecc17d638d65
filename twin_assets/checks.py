"""How every check reports: expected and actual, and the first offenders by name.

No asset makes a check of itself (`check_specs`). Where a condition asks for such an asset, Dagster 1.13 takes the
asset's own checks as all there are to run, and leaves out the others; what an asset recorded is read back instead.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

SHOWN = 5
"""Offenders that a check names; the rest are counted."""


def verdict(
    *,
    passed: bool,
    expected: str,
    actual: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """Return the result of a check that compares what is expected with what is there."""
    return dg.AssetCheckResult(
        passed=passed,
        severity=severity,
        description=f"Expected {expected}; found {actual}.",
        metadata={"expected": expected, "actual": actual},
    )


def none_of(
    offenders: Sequence[str], *, what: str, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.AssetCheckResult:
    """Return the result of a check that passes when there is no offender; the first ones are named.

    Args:
        offenders: A name per offending row.
        what: What the offenders are, in the plural.
        severity: How bad it is if there is one.
    """
    shown = "; ".join(offenders[:SHOWN])
    return verdict(
        passed=not offenders,
        expected=f"no {what}",
        actual=f"{len(offenders)}: {shown}" if offenders else "none",
        severity=severity,
    )


def recorded_metadata(context: dg.AssetCheckExecutionContext, asset: str) -> Mapping[str, Any]:
    """Return the values of the metadata with which the partition of this check was last materialized.

    Raises:
        LookupError: If it never was.
    """
    records = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[context.partition_key]), limit=1
    ).records
    materialization = records[0].asset_materialization if records else None
    if materialization is None:
        raise LookupError(f"{asset} of {context.partition_key} was never materialized.")
    return {name: entry.value for name, entry in materialization.metadata.items()}
