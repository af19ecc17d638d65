"""What models have written as rejected texts, kept beside the dataset so that no text is generated twice."""

from resources.artifacts import ArtifactStore, refusals_told, writing
from resources.io_managers import read_rows, write_rows
from twin_assets.documents import Rejection

_SUFFIX = ".rejections.parquet"


def kept_rejections(artifacts: ArtifactStore, author: str) -> list[Rejection]:
    """Return the texts that earlier runs kept, in their order; none before the first."""
    path = artifacts.path("preference_dataset", author, _SUFFIX)
    return read_rows(path, Rejection) if path.exists() else []


def keep_rejections(artifacts: ArtifactStore, author: str, rejections: list[Rejection]) -> None:
    """Store the texts for the next run, in place of what was kept."""
    path = artifacts.path("preference_dataset", author, _SUFFIX)
    with writing(path) as partial, refusals_told(path):
        write_rows(partial, rejections, kind=Rejection)
