"""Checks of serving: what is registered is what was trained, and was trained on what is still there."""

import tempfile
from collections.abc import Collection
from pathlib import Path

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.model_package import checkpoint_in, packaging_hash
from resources.registry import PACKAGING
from resources.tracker import CANDIDATE, ModelVersion, Tracker, registered_name
from twin_assets.checks import verdict
from twin_assets.inference.assets import STAGES, registered_model
from twin_assets.inference.deletions import deletions_verdict, documents_there
from twin_assets.partitions import authors_partitions
from twin_assets.training.manifest import ManifestError, verify_manifest


@dg.asset_check(asset=registered_model, partitions_def=authors_partitions, blocking=True)
def registered_is_what_was_trained(
    context: dg.AssetCheckExecutionContext, artifacts: ArtifactStore, tracker: Tracker
) -> dg.AssetCheckResult:
    """The candidate is a checkpoint that is in the store, and the registry's copy of it is whole, file by file."""
    author, name = context.partition_key, registered_name(context.partition_key)
    trained = {artifacts.manifest(f"{stage}_checkpoint", author).data_version for stage in STAGES}
    candidates = [version for version in tracker.versions(name) if CANDIDATE in version.aliases]
    faults = [fault for version in candidates if (fault := _fault_of(version, trained, tracker))]
    return verdict(
        passed=len(candidates) == 1 and not faults,
        expected="one candidate, a whole copy of a present checkpoint",
        actual=f"{len(candidates)} candidates; {'; '.join(faults) or 'every file as in the manifest'}",
    )


def _fault_of(version: ModelVersion, trained: Collection[str], tracker: Tracker) -> str | None:
    """Return what is wrong with the registry's copy of a checkpoint, None if nothing is."""
    checkpoint = version.tags.get("checkpoint")
    if checkpoint not in trained:
        return f"version {version.version} is of no present checkpoint"
    with tempfile.TemporaryDirectory(prefix="twin-registry-") as folder:
        try:
            package = tracker.download(version.name, version.version, Path(folder))
            copied = verify_manifest(checkpoint_in(package)).data_version
            if (packaging := version.tags.get(PACKAGING)) and packaging_hash(package) != packaging:
                return f"the copy of version {version.version}: what lies around the checkpoint was changed"
        except (OSError, ManifestError) as error:
            return f"the copy of version {version.version}: {error}"
    return None if copied == checkpoint else f"version {version.version} holds {copied}, and its tag says {checkpoint}"


@dg.asset_check(asset=registered_model, partitions_def=authors_partitions)
def no_version_knows_a_deleted_document(
    context: dg.AssetCheckExecutionContext, artifacts: ArtifactStore, tracker: Tracker
) -> dg.AssetCheckResult:
    """No registered version was trained on a document that has been deleted since; those that were are tagged.

    Every version is looked at, not only the newest: each can be promoted. A champion among them is an error, because it
    answers with words that were withdrawn.
    """
    # Read here, and no input: a base model knows the documents of all authors, and Dagster gives a check its own
    # author's partition of an input, whatever mapping it asks for.
    there = documents_there(artifacts)
    return deletions_verdict(registered_name(context.partition_key), tracker, there)
