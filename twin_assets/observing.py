"""Observing what lies outside the platform: a data version of an external asset, recorded only when it changes.

Looking therefore changes nothing. What the version is made of is decided where each thing is observed.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

DATA_VERSION_TAG = "dagster/data_version"


def observation_if_changed(
    instance: dg.DagsterInstance,
    asset: str,
    version: str,
    *,
    description: str,
    metadata: Mapping[str, Any],
    partition: str | None = None,
) -> dg.AssetObservation | None:
    """Return an observation of an external asset if its version differs from the last one observed.

    Args:
        instance: Where observations are recorded.
        asset: Name of the asset.
        version: Hash of what it holds now.
        description: What has changed, in a sentence.
        metadata: What is told of it.
        partition: Slug of the author, if it is partitioned.
    """
    records = instance.fetch_observations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition] if partition else None),
        limit=1,
    ).records
    last = records[0].asset_observation if records else None
    if last and last.tags.get(DATA_VERSION_TAG) == version:
        return None
    return dg.AssetObservation(
        asset, partition=partition, tags={DATA_VERSION_TAG: version}, metadata=metadata, description=description
    )
