"""Looking at all author files: who can be registered, who cannot and why, and what has changed since the last look.

The sensor `author_files` and every build look; each records what was found in its own way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from resources.project import Project
from twin_assets.collection.authors import author_slugs, load_author
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.observation import observe_author
from twin_assets.datasets.sources import observe_rows_from_elsewhere
from twin_assets.errors import UserError
from twin_assets.observing.policy import observe_policy
from twin_assets.observing.recording import LastObserved
from twin_assets.observing.settings import observe_settings
from twin_assets.training.author_settings import observe_training_settings


@dataclass(frozen=True)
class Look:
    """What a look at the author files found."""

    usable: tuple[str, ...]
    """Slugs of the authors who can be registered: the file is valid, and what it names can be read."""
    refused: Mapping[str, UserError]
    """Why each of the others cannot, by slug."""
    observations: tuple[dg.AssetObservation, ...]
    """Of the settings and of what lies outside, where it differs from when it was last observed. Of an author who is
    refused, what could be read: one whose rows from elsewhere are broken goes on being collected."""


def look_at_authors(instance: dg.DagsterInstance, project: Project, sources: SourceContext) -> Look:
    """Look at every author file, and at what the sources named there hold; nothing is recorded."""
    slugs = author_slugs(project.authors_path)
    observed = LastObserved(instance, slugs)
    observations = [observe_settings(observed, project)]
    usable: list[str] = []
    refused: dict[str, UserError] = {}
    for slug in slugs:
        try:
            author = load_author(project.authors_path, slug)
            observations.append(observe_author(observed, author, sources))
            observations.append(observe_policy(observed, author))
            observations.append(observe_rows_from_elsewhere(observed, author, project))
            observations.append(observe_training_settings(observed, author))
            usable.append(slug)
        except UserError as error:
            refused[slug] = error
    return Look(tuple(usable), refused, tuple(observation for observation in observations if observation))
