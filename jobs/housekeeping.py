"""The daily housekeeping: one op per concern, each with what it deleted, and how large that was, in its metadata.

What may go is decided in `twin_assets.housekeeping`. With `dry_run` the same is listed and nothing is changed.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from resources.artifacts import ArtifactStore
from resources.registry_cleaning import RegistryCleaner
from resources.tracker import Tracker
from twin_assets.housekeeping.leftovers import (
    LAUNCHES,
    Leftover,
    delete,
    leftovers,
    old_launches,
    old_trials,
)
from twin_assets.housekeeping.versions import lost_packages, removable_versions, shares_its_copy
from twin_assets.run_states import UNFINISHED
from twin_assets.training.manifest import ManifestError
from twin_assets.training.sweeping import SWEEPS

DAY = 24 * 3600.0
WEEK = timedelta(days=7)
"""No step takes as long: what is older than this, and was not finished, never will be."""

JOB = "housekeeping"

CHECKPOINTS = ("sft_checkpoint", "dpo_checkpoint")


class Housekeeping(dg.Config):
    """What is asked of every concern."""

    dry_run: bool = Field(default=False, description="List what would be deleted, and change nothing")


class VersionHousekeeping(Housekeeping):
    """The policy of registry versions."""

    keep_newest: int = Field(default=10, ge=1, description="Versions of each model that are kept whatever their age")
    keep_days: float = Field(default=30.0, ge=0, description="Days for which every version is kept")


class LeftoverHousekeeping(Housekeeping):
    """The policy of what killed runs left."""

    # No step takes a week, and what a run still needs would be deleted under its hands.
    keep_days: float = Field(default=7.0, ge=1, description="Days for which what was left is kept")


class LaunchHousekeeping(Housekeeping):
    """The policy of what was handed to training machines."""

    keep_days: float = Field(default=30.0, ge=7, description="Days for which the files of a launch are kept")


class TrialHousekeeping(Housekeeping):
    """The policy of what trials of sweeps left."""

    # A trial that is under way, and the rows it is trained on, were touched when it began.
    keep_days: float = Field(default=30.0, ge=7, description="Days for which rows and results of a trial are kept")


@dg.op(
    description="Deletes registry versions, with their copies of the model, that no policy and no alias keeps; and "
    "copies that no version names."
)
def old_versions(
    context: dg.OpExecutionContext, config: VersionHousekeeping, tracker: Tracker, artifacts: ArtifactStore
) -> None:
    """Delete old registry versions."""
    cleaner = RegistryCleaner(tracker)
    packages, copies, now = cleaner.packages(), cleaner.copies(), datetime.now(UTC)
    removable = removable_versions(
        copies,
        present=_present_checkpoints(artifacts, context),
        newest=config.keep_newest,
        younger_than=timedelta(days=config.keep_days),
        now=now,
    )
    left, rows = list(copies), []
    for copy in removable:
        what = f"{copy.name} version {copy.version}"
        if not config.dry_run and not cleaner.delete_copy(copy, shared=shares_its_copy(copy, left)):
            context.log.info(f"{what} was given an alias in the meantime, and stays.")
            continue
        left.remove(copy)
        rows.append({"what": what, "bytes": copy.bytes, "from": f"{copy.created_at:%Y-%m-%d}"})
    lost = lost_packages(packages, copies, younger_than=WEEK, now=now)
    for package in lost:
        if not config.dry_run:
            cleaner.delete_package(package)
        what = f"{package.name} ({package.model_id}), which no version names"
        rows.append({"what": what, "bytes": package.bytes, "from": f"{package.created_at:%Y-%m-%d}"})
    _report(context, rows, looked_at=len(copies) + len(lost), dry_run=config.dry_run)


@dg.op(description="Deletes partial and replaced files and folders that killed runs left among the artifacts.")
def left_by_killed_runs(context: dg.OpExecutionContext, config: LeftoverHousekeeping, artifacts: ArtifactStore) -> None:
    """Delete what killed runs left."""
    _delete(context, leftovers(artifacts.root, older_than=time.time() - config.keep_days * DAY), config)


@dg.op(description="Deletes what was handed to training machines, and brought back, a month ago and longer.")
def files_of_launches(context: dg.OpExecutionContext, config: LaunchHousekeeping, artifacts: ArtifactStore) -> None:
    """Delete the files of old launches."""
    launches = artifacts.launches or str(artifacts.path(LAUNCHES))
    _delete(context, old_launches(launches, older_than=time.time() - config.keep_days * DAY), config)


@dg.op(description="Deletes rows, results and unfinished checkpoints of trials of a month ago and longer.")
def trials_of_sweeps(context: dg.OpExecutionContext, config: TrialHousekeeping, artifacts: ArtifactStore) -> None:
    """Delete what old trials left; their figures stay in MLflow."""
    _delete(context, old_trials(str(artifacts.path(SWEEPS)), older_than=time.time() - config.keep_days * DAY), config)


@dg.op(description="Marks MLflow runs as killed whose Dagster run has ended without closing them.")
def runs_never_closed(context: dg.OpExecutionContext, config: Housekeeping, tracker: Tracker) -> None:
    """Close the MLflow runs that nobody will close."""
    cleaner = RegistryCleaner(tracker)
    open_runs = cleaner.open_runs()
    stale = [run for run in open_runs if _has_ended(context.instance, run.dagster_run, run.started_at)]
    for run in stale:
        if not config.dry_run:
            cleaner.mark_killed(run.run_id)
    rows = [{"what": f"{run.name} ({run.run_id})", "bytes": 0, "from": f"{run.started_at:%Y-%m-%d}"} for run in stale]
    _report(context, rows, looked_at=len(open_runs), dry_run=config.dry_run)


@dg.job(
    name=JOB,
    description="Deletes what nobody needs: old registry versions, what killed runs left, old launches and trials.",
    tags={"stage": "housekeeping"},
)
def housekeeping() -> None:
    """Let each concern be looked after, whatever becomes of the others."""
    old_versions()
    left_by_killed_runs()
    files_of_launches()
    trials_of_sweeps()
    runs_never_closed()


def _has_ended(instance: dg.DagsterInstance, run_id: str | None, started_at: datetime) -> bool:
    """Return whether nobody is left who could close an MLflow run.

    One that names no Dagster run, or one that is not known any more, is given a week: somebody may train by hand.
    """
    run = instance.get_run_by_id(run_id) if run_id else None
    return run.status not in UNFINISHED if run else datetime.now(UTC) - started_at > WEEK


def _present_checkpoints(artifacts: ArtifactStore, context: dg.OpExecutionContext) -> set[str]:
    """Return the data versions of the checkpoints in the store.

    Raises:
        StorageError: If the store does not answer: what nobody could look for must not count as gone.
    """
    present = set()
    for asset in CHECKPOINTS:
        folder = artifacts.path(asset)
        for path in folder.iterdir() if folder.is_dir() else ():
            if not (path / "manifest.json").is_file():
                continue
            try:
                present.add(artifacts.manifest(asset, path.name).data_version)
            except ManifestError as error:
                context.log.warning(str(error))
    return present


def _delete(context: dg.OpExecutionContext, found: Sequence[Leftover], config: Housekeeping) -> None:
    if not config.dry_run:
        for left in found:
            delete(left)
    rows = [
        {
            "what": str(left.path),
            "bytes": left.bytes,
            "from": f"{datetime.fromtimestamp(left.changed_at, UTC):%Y-%m-%d}",
        }
        for left in found
    ]
    _report(context, rows, looked_at=len(found), dry_run=config.dry_run)


def _report(context: dg.OpExecutionContext, rows: Sequence[dict[str, Any]], *, looked_at: int, dry_run: bool) -> None:
    """Say in the log and in the metadata of the op's output what went, and how large it was."""
    total = sum(int(row["bytes"]) for row in rows)
    verb = "would be" if dry_run else "were"
    context.log.info(f"{len(rows)} of {looked_at} {verb} dealt with, {total:,} bytes")
    context.add_output_metadata(
        {
            "dry_run": dry_run,
            "looked_at": looked_at,
            "deleted": len(rows),
            "bytes": total,
            "list": dg.MetadataValue.table(
                [dg.TableRecord(row) for row in rows],
                schema=dg.TableSchema(
                    [dg.TableColumn("what", "string"), dg.TableColumn("bytes", "int"), dg.TableColumn("from", "string")]
                ),
            ),
        }
    )
