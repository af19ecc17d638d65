"""How every check reports: expected and actual, and the first offenders by name."""

from collections.abc import Sequence

import dagster as dg

SHOWN = 5
"""Offenders that a check names; the rest are counted."""


def verdict(
    *,
    passed: bool,
    expected: str,
    actual: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    name: str | None = None,
) -> dg.AssetCheckResult:
    """Return the result of a check that compares what is expected with what is there.

    `name` is for a check that an asset makes of itself; elsewhere Dagster takes the name of the function.
    """
    return dg.AssetCheckResult(
        passed=passed,
        check_name=name,
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
