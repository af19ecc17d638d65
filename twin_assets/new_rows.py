"""How much of an input is new since it was last trained on, told from what the instance has recorded; no file is read.

A table marks its rows in its materialization: six bytes for each row, a hash of what a model would learn from it. Two
materializations then tell how many rows came, changed or went between them. When to train is `automation`'s business.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import dagster as dg

from twin_assets.observing import DATA_VERSION_TAG

ROW_MARKS = "row_marks"
"""Metadata key of the marks. They are kept with the event: the files they stand for are replaced by the next build."""

MARK_BYTES = 6
"""Two of 100,000 rows share a mark once in about 50,000 tables (birthday bound); then one row too few is counted."""

_TRAININGS_LOOKED_AT = 10
"""Materializations looked through for the last real training: the newest may have taken over what was there."""
_EVENTS_OF_A_RUN = 20


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


def change_since_training(
    instance: dg.DagsterInstance, asset: dg.AssetKey, author: str | None, inputs: Mapping[dg.AssetKey, Sequence[str]]
) -> Change:
    """Return what has changed in the inputs of an asset since it was last trained.

    Args:
        instance: Where the events are.
        asset: What is trained.
        author: Its partition; None if it has none.
        inputs: For each input the authors whose partitions are read; none if the input has no partitions.
    """
    trained = _last_training(instance, asset, author)
    if trained is None:
        return Change(None, {}, ())
    rows: dict[str, int] = {}
    other = []
    for key, authors in inputs.items():
        partitions: Sequence[str | None] = authors or [None]
        for partition in partitions:
            now = _newest(instance, key, partition)
            used = _used(instance, key, partition, trained)
            if now is None or _version(now) == _version(used):
                continue
            marks = _marks_of(now)
            if partition is not None and marks is not None:
                # What was never trained on is new as a whole.
                count = changed_rows(_marks_of(used) or {}, marks)
                rows[partition] = rows.get(partition, 0) + count
            else:
                other.append(key.to_user_string())
    return Change(trained.timestamp, rows, tuple(other))


def _last_training(instance: dg.DagsterInstance, asset: dg.AssetKey, author: str | None) -> dg.EventLogRecord | None:
    """Return the last materialization that was a training, not one that took over a checkpoint with the same spec."""
    records = instance.fetch_materializations(_of(asset, author), limit=_TRAININGS_LOOKED_AT).records
    for record in records:
        if not _took_over(record):
            return record
    # The oldest stands in: it took over what an earlier training left.
    return records[-1] if records else None


def _took_over(record: dg.EventLogRecord) -> bool:
    materialization = record.asset_materialization
    reused = materialization.metadata.get("reused") if materialization else None
    return bool(reused and reused.value)


def _used(
    instance: dg.DagsterInstance, key: dg.AssetKey, author: str | None, trained: dg.EventLogRecord
) -> dg.EventLogRecord | None:
    """Return the event of an input that a training read: of the same run, or the newest from before it began."""
    run_id = trained.event_log_entry.run_id
    for record in _events(instance, key, author, limit=_EVENTS_OF_A_RUN):
        if record.event_log_entry.run_id == run_id and record.storage_id < trained.storage_id:
            return record
    run = instance.get_run_record_by_id(run_id) if run_id else None
    # A run that was deleted has left no beginning; its end is the nearest that is known.
    began = (run.start_time if run else None) or trained.timestamp
    earlier = _events(instance, key, author, limit=1, before=began)
    return earlier[0] if earlier else None


def _newest(instance: dg.DagsterInstance, key: dg.AssetKey, author: str | None) -> dg.EventLogRecord | None:
    records = _events(instance, key, author, limit=1)
    return records[0] if records else None


def _events(
    instance: dg.DagsterInstance, key: dg.AssetKey, author: str | None, *, limit: int, before: float | None = None
) -> Sequence[dg.EventLogRecord]:
    """Return the latest materializations of an asset, or, of one outside the platform, observations."""
    wanted = _of(key, author, before=before)
    return (
        instance.fetch_materializations(wanted, limit=limit).records
        or instance.fetch_observations(wanted, limit=limit).records
    )


def _of(key: dg.AssetKey, author: str | None, *, before: float | None = None) -> dg.AssetRecordsFilter:
    return dg.AssetRecordsFilter(
        asset_key=key, asset_partitions=[author] if author is not None else None, before_timestamp=before
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
