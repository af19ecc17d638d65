"""Observing an author's sites: what they hold now, as a data version of the external asset `author_sites`."""

import dagster as dg

from twin_assets.collection.contract import SourceContext
from twin_assets.collection.sources import fingerprint_of
from twin_assets.documents import Author
from twin_assets.observing.recording import LastObserved, observation_if_changed

SITES_KEY = dg.AssetKey("author_sites")


def observe_author(observed: LastObserved, author: Author, context: SourceContext) -> dg.AssetObservation | None:
    """Return an observation of the author's sites if they hold something else than when last observed.

    Raises:
        UserError: If a source cannot be read, or holds nothing.
    """
    return observation_if_changed(
        observed,
        "author_sites",
        fingerprint_of(author, context),
        partition=author.slug,
        metadata={"sources": ", ".join(source.type for source in author.sources)},
        description=f"The sources of {author.name} hold something new.",
    )
