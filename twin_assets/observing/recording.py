"""Observing what lies outside the platform: a data version of an external asset, recorded only when it changes.

Looking therefore changes nothing. What the version is made of is decided where each thing is observed.
"""

from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from twin_assets.observing.newest_events import newest_observations

DATA_VERSION_TAG = "dagster/data_version"


class LastObserved:
    """The versions that were observed last, read for all authors together when an asset is first asked about."""

    def __init__(self, instance: dg.DagsterInstance, authors: Collection[str]) -> None:
        """Read from an instance.

        Args:
            instance: Where observations are recorded.
            authors: Slugs of all whose partitions will be asked about.
        """
        self._instance = instance
        self._authors = frozenset(authors)
        self._versions: dict[str, dict[str | None, str | None]] = {}

    def version(self, asset: str, partition: str | None) -> str | None:
        """Return the version that was observed last; None if none was.

        Raises:
            LookupError: If the partition is none of the authors.
        """
        if partition is not None and partition not in self._authors:
            raise LookupError(f"{partition} is none of those whose observations are read.")
        if asset not in self._versions:
            newest = newest_observations(
                self._instance, dg.AssetKey(asset), [None] if partition is None else self._authors
            )
            self._versions[asset] = {of: _version_of(record) for of, record in newest.items()}
        return self._versions[asset].get(partition)


def _version_of(record: dg.EventLogRecord) -> str | None:
    observation = record.asset_observation
    return observation.tags.get(DATA_VERSION_TAG) if observation else None


def observation_if_changed(
    observed: LastObserved,
    asset: str,
    version: str,
    *,
    description: str,
    metadata: Mapping[str, Any],
    partition: str | None = None,
) -> dg.AssetObservation | None:
    """Return an observation of an external asset if its version differs from the last one observed.

    Args:
        observed: What was observed last.
        asset: Name of the asset.
        version: Hash of what it holds now.
        description: What has changed, in a sentence.
        metadata: What is told of it.
        partition: Slug of the author, if it is partitioned.
    """
    if observed.version(asset, partition) == version:
        return None
    return dg.AssetObservation(
        asset, partition=partition, tags={DATA_VERSION_TAG: version}, metadata=metadata, description=description
    )
