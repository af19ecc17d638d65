"""Observing an author's sites: what they hold now, as a data version of the external asset `author_sites`.

An observation is recorded only when the content differs from the last one, so that looking changes nothing.
"""

import dagster as dg

from twin_assets.collection.contract import SourceContext
from twin_assets.collection.sources import fingerprint_of
from twin_assets.documents import Author

SITES_KEY = dg.AssetKey("author_sites")
DATA_VERSION_TAG = "dagster/data_version"


def observe_author(instance: dg.DagsterInstance, author: Author, context: SourceContext) -> dg.AssetObservation | None:
    """Return an observation of the author's sites if they hold something else than when last observed.

    Raises:
        UserError: If a source cannot be read, or holds nothing.
    """
    version = fingerprint_of(author, context)
    if version == _last_observed(instance, author.slug):
        return None
    return dg.AssetObservation(
        SITES_KEY,
        partition=author.slug,
        tags={DATA_VERSION_TAG: version},
        metadata={"sources": ", ".join(source.type for source in author.sources)},
        description=f"The sources of {author.name} hold something new.",
    )


def _last_observed(instance: dg.DagsterInstance, slug: str) -> str | None:
    records = instance.fetch_observations(
        dg.AssetRecordsFilter(asset_key=SITES_KEY, asset_partitions=[slug]), limit=1
    ).records
    observation = records[0].asset_observation if records else None
    return observation.tags.get(DATA_VERSION_TAG) if observation else None
