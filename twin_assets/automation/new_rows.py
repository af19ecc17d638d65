"""How much of an input is new since it was last trained on, told from what the instance has recorded; no file is read.

A table marks its rows in its materialization: six bytes for each row, a hash of what a model would learn from it. Two
materializations then tell how many rows came, changed or went between them. When to train is told in `training_due`.
"""

import base64
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import dagster as dg

from twin_assets.observing.newest_events import Partition, newest_materializations, newest_observations
from twin_assets.observing.recording import DATA_VERSION_TAG

ROW_MARKS = "row_marks"
"""Metadata key of the marks. They are kept with the event: the files they stand for are replaced by the next build."""

MARK_BYTES = 6
"""Two of 100,000 rows share a mark once in about 50,000 tables (birthday bound); then one row too few is counted."""

_TRAININGS_LOOKED_AT = 10
"""Materializations looked through for the last real training: the newest may have taken over what was there."""
_EVENTS_DURING_A_TRAINING = 20


@dataclass(frozen=True)
class Change:
    """What is different in the inputs of an asset since its last training.

    Attributes:
        trained_at: When the last training ended, seconds since 1970; None if there was none.
        rows: Rows that came, changed or went in the inputs that mark their rows, by author.
        other: Names of the other inputs that have another data version.
    """

    trained_at: float | None
    rows: Mapping[str, int]
    other: tuple[str, ...]


def row_marks(rows: Iterable[str]) -> dg.JsonMetadataValue:
    """Return the marks of rows, each given as the text, or a hash of it, that a model would learn from."""
    marks = sorted(sha256(row.encode()).digest()[:MARK_BYTES] for row in rows)
    return dg.MetadataValue.json({"rows": len(marks), "marks": base64.b64encode(b"".join(marks)).decode()})


def changed_rows(before: Mapping[str, Any], now: Mapping[str, Any]) -> int:
    """Return how many rows differ between two `row_marks`.

    An edited row is one that went and one that came, and counts once. A row that only went counts too: a deletion is
    not to wait until somebody writes something.
    """
    old, new = _marks_in(before), _marks_in(now)
    return max(len(new - old), len(old - new))


def changes_since_training(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    partitions: Collection[Partition],
    inputs: Mapping[dg.AssetKey, Collection[Partition]],
) -> dict[Partition, Change]:
    """Return what has changed in the inputs of each partition of an asset since it was last trained.

    Args:
        instance: Where the events are.
        asset: What is trained.
        partitions: Which of its partitions; only None if it has none.
        inputs: The partitions of each input that are read, only None if it has none. A partition of the asset reads its
            own of them; an asset without partitions reads them all.
    """
    records = newest_materializations(instance, asset, partitions)
    trained = {of: _last_training(instance, asset, of, newest) for of, newest in records.items()}
    began = _beginnings(instance, trained.values())
    trainings = {of: _Training(record, began(record)) for of, record in trained.items()}
    newest = {key: _newest(instance, key, read) for key, read in inputs.items()}
    return {
        partition: _change(instance, trainings[partition], newest) if partition in trainings else Change(None, {}, ())
        for partition in partitions
    }


@dataclass(frozen=True)
class _Training:
    """A materialization that was a training, and when its run began, seconds since 1970."""

    record: dg.EventLogRecord
    began: float

    def read(self, record: dg.EventLogRecord) -> bool:
        """Return whether this training can have read what an event stands for: of the same run, or there before it."""
        same_run = bool(record.run_id) and record.run_id == self.record.run_id
        return record.storage_id < self.record.storage_id and (same_run or record.timestamp < self.began)


def _change(
    instance: dg.DagsterInstance,
    training: _Training,
    newest: Mapping[dg.AssetKey, Mapping[Partition, dg.EventLogRecord]],
) -> Change:
    rows: dict[str, int] = {}
    other = []
    author = training.record.partition_key
    for key, events in newest.items():
        for partition, now in events.items():
            if author is not None and partition not in (author, None):
                continue
            if training.read(now):
                continue
            used = _used(instance, key, training, now)
            if _version(now) == _version(used):
                continue
            marks = _marks_of(now)
            if partition is not None and marks is not None:
                # What was never trained on is new as a whole.
                rows[partition] = rows.get(partition, 0) + changed_rows(_marks_of(used) or {}, marks)
            else:
                other.append(key.to_user_string())
    return Change(training.record.timestamp, rows, tuple(other))


def _last_training(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partition: Partition, newest: dg.EventLogRecord
) -> dg.EventLogRecord:
    """Return the last materialization that was a training, not one that took over a checkpoint with the same spec."""
    if not _took_over(newest):
        return newest
    records = instance.fetch_materializations(_of(asset, partition), limit=_TRAININGS_LOOKED_AT).records
    # The oldest stands in: it took over what an earlier training left.
    return next((record for record in records if not _took_over(record)), records[-1])


def _took_over(record: dg.EventLogRecord) -> bool:
    materialization = record.asset_materialization
    reused = materialization.metadata.get("reused") if materialization else None
    return bool(reused and reused.value)


def _beginnings(
    instance: dg.DagsterInstance, trainings: Iterable[dg.EventLogRecord]
) -> Callable[[dg.EventLogRecord], float]:
    """Return what tells when the run of a training began."""
    run_ids = {record.run_id for record in trainings if record.run_id}
    runs = instance.get_run_records(dg.RunsFilter(run_ids=sorted(run_ids))) if run_ids else []
    starts = {run.dagster_run.run_id: run.start_time for run in runs}
    # A run that was deleted has left no beginning; its end is the nearest that is known.
    return lambda record: starts.get(record.run_id) or record.timestamp


def _newest(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[Partition]
) -> Mapping[Partition, dg.EventLogRecord]:
    """Return the newest materializations of an input, or, of one outside the platform, observations."""
    return newest_materializations(instance, key, partitions) or newest_observations(instance, key, partitions)


def _used(
    instance: dg.DagsterInstance, key: dg.AssetKey, training: _Training, now: dg.EventLogRecord
) -> dg.EventLogRecord | None:
    """Return the event of an input that a training read; None if there was none."""
    fetch = instance.fetch_materializations if now.asset_materialization else instance.fetch_observations
    before = _of(key, now.partition_key, before=training.record.storage_id)
    # Nearly always it is the one before; the others were recorded by somebody else while the training ran.
    for limit in (1, _EVENTS_DURING_A_TRAINING):
        for record in fetch(before, limit=limit).records:
            if training.read(record):
                return record
    return None


def _of(key: dg.AssetKey, partition: Partition, *, before: int | None = None) -> dg.AssetRecordsFilter:
    return dg.AssetRecordsFilter(
        asset_key=key, asset_partitions=[partition] if partition is not None else None, before_storage_id=before
    )


def _version(record: dg.EventLogRecord | None) -> str | None:
    event = record and (record.asset_materialization or record.asset_observation)
    return (event.tags or {}).get(DATA_VERSION_TAG) if event else None


def _marks_of(record: dg.EventLogRecord | None) -> Mapping[str, Any] | None:
    materialization = record.asset_materialization if record else None
    marks = materialization.metadata.get(ROW_MARKS) if materialization else None
    return marks.value if isinstance(marks, dg.JsonMetadataValue) and isinstance(marks.value, Mapping) else None


def _marks_in(held: Mapping[str, Any]) -> set[bytes]:
    packed = base64.b64decode(str(held.get("marks", "")))
    return {packed[begin : begin + MARK_BYTES] for begin in range(0, len(packed), MARK_BYTES)}
