"""Which registered models know a document that has been deleted since: every version, not the present ones only."""

from collections.abc import Iterable

from resources.artifacts import ArtifactStore
from resources.io_managers import read_rows
from resources.tracker import ModelVersion, Tracker
from twin_assets.documents import CleanedDocument


def documents_there(artifacts: ArtifactStore) -> frozenset[str]:
    """Return the ids of the cleaned documents of every author: a base model knows all of them."""
    folder = artifacts.path("cleaned_documents")
    tables = sorted(folder.glob("*.parquet")) if folder.exists() else []
    return frozenset(row.document_id for table in tables for row in read_rows(table, CleanedDocument))


def ids_of(tables: Iterable[Iterable[CleanedDocument]]) -> frozenset[str]:
    """Return the ids of some tables of documents."""
    return frozenset(row.document_id for table in tables for row in table)


def deleted_of(version: ModelVersion, tracker: Tracker, there: frozenset[str]) -> list[str] | None:
    """Return the ids of the documents that a version was trained on and that are gone, sorted.

    Returns:
        The ids; None for a version that does not tell what it was trained on.
    """
    trained_on = tracker.trained_on(version)
    return None if trained_on is None else sorted(trained_on - there)
