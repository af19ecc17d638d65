"""Checks of serving: what is registered is what was trained."""

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.tracker import CANDIDATE, Tracker, registered_name
from twin_assets.checks import verdict
from twin_assets.inference.assets import STAGES, registered_model
from twin_assets.partitions import authors_partitions
from twin_assets.training.manifest import read_manifest


@dg.asset_check(asset=registered_model, partitions_def=authors_partitions, blocking=True)
def registered_is_what_was_trained(
    context: dg.AssetCheckExecutionContext, artifacts: ArtifactStore, tracker: Tracker
) -> dg.AssetCheckResult:
    """The candidate in the registry carries the hash of a checkpoint that is in the store."""
    author = context.partition_key
    trained = {read_manifest(artifacts.folder(f"{stage}_checkpoint", author)).data_version for stage in STAGES}
    candidates = {
        version.tags.get("checkpoint")
        for version in tracker.versions(registered_name(author))
        if CANDIDATE in version.aliases
    }
    return verdict(
        passed=len(candidates) == 1 and candidates <= trained,
        expected="one candidate, made of a present checkpoint",
        actual=f"{len(candidates)} candidates, {len(candidates & trained)} of a present checkpoint",
    )
