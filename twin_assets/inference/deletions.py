"""Which registered models know a document that has been deleted since: every version, not the present ones only."""

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.io_managers import read_rows
from resources.tracker import CHAMPION, ModelVersion, Tracker
from twin_assets.checks import none_of
from twin_assets.documents import CleanedDocument
from twin_assets.inference.card import DELETED, model_card


def documents_there(artifacts: ArtifactStore) -> frozenset[str]:
    """Return the ids of the cleaned documents of every author: a base model knows all of them."""
    folder = artifacts.path("cleaned_documents")
    tables = sorted(folder.glob("*.parquet")) if folder.exists() else []
    return frozenset(row.document_id for table in tables for row in read_rows(table, CleanedDocument))


def deleted_of(version: ModelVersion, tracker: Tracker, there: frozenset[str]) -> list[str] | None:
    """Return the ids of the documents that a version was trained on and that are gone, sorted.

    Returns:
        The ids; None for a version that does not tell what it was trained on.
    """
    trained_on = tracker.trained_on(version)
    return None if trained_on is None else sorted(trained_on - there)


def deletions_verdict(name: str, tracker: Tracker, there: frozenset[str]) -> dg.AssetCheckResult:
    """Return whether any version of a model knows a deleted document; those that do say so.

    Args:
        name: Name of the registered model.
        tracker: The registry.
        there: Ids of the documents there are, of every author.
    """
    flagged, of_champion = [], False
    for version in tracker.versions(name):
        gone = deleted_of(version, tracker, there)
        if gone is None:
            flagged.append(f"version {version.version} does not tell what it was trained on")
            continue
        if str(len(gone)) != version.tags.get(DELETED, "0"):
            flag = {DELETED: str(len(gone))}
            tracker.set_tags(name, version.version, flag)
            card = model_card(version.model_copy(update={"tags": version.tags | flag}))
            tracker.describe(name, version.version, card)
        if gone:
            of_champion = of_champion or CHAMPION in version.aliases
            flagged.append(f"version {version.version} was trained on {len(gone)}, {gone[0]} for one")
    return none_of(
        flagged,
        what="version that knows a deleted document",
        severity=dg.AssetCheckSeverity.ERROR if of_champion else dg.AssetCheckSeverity.WARN,
    )
