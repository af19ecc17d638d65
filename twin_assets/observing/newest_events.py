"""The newest event of each partition of an asset, read for all of them together.

An automation condition may be asked about a thousand authors in a tick; a query each would take longer than the tick.
"""

from collections.abc import Collection

import dagster as dg

Partition = str | None
"""Slug of an author; None for an asset without partitions."""


def newest_materializations(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[Partition]
) -> dict[Partition, dg.EventLogRecord]:
    """Return the newest materialization of each of these partitions that has one."""
    wanted = _newest(instance, key, partitions, dg.DagsterEventType.ASSET_MATERIALIZATION)
    records = instance.fetch_materializations(wanted, limit=len(partitions)).records if wanted else []
    return {record.partition_key: record for record in records}


def newest_observations(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[Partition]
) -> dict[Partition, dg.EventLogRecord]:
    """Return the newest observation of each of these partitions that has one."""
    wanted = _newest(instance, key, partitions, dg.DagsterEventType.ASSET_OBSERVATION)
    records = instance.fetch_observations(wanted, limit=len(partitions)).records if wanted else []
    return {record.partition_key: record for record in records}


def _newest(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[Partition], kind: dg.DagsterEventType
) -> dg.AssetRecordsFilter | None:
    """Return what finds the newest event of each partition; None if there is none."""
    slugs = {partition for partition in partitions if partition is not None}
    if not slugs:
        return dg.AssetRecordsFilter(asset_key=key) if partitions else None
    ids = instance.get_latest_storage_id_by_partition(key, kind, slugs)
    return dg.AssetRecordsFilter(asset_key=key, storage_ids=sorted(ids.values())) if ids else None
