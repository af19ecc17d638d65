"""Checks of training: the checkpoint is whole, and it learnt something."""

from pathlib import Path

import dagster as dg

from resources.artifacts import ArtifactStore
from twin_assets.checks import verdict
from twin_assets.documents import BaseModelRef
from twin_assets.partitions import authors_partitions
from twin_assets.training.assets import base_model, dpo_checkpoint, sft_checkpoint
from twin_assets.training.history import loss_by_quarter, read_history
from twin_assets.training.manifest import ManifestError, verify_manifest


@dg.asset_check(asset=base_model, blocking=True, name="manifest_is_whole")
def base_model_is_whole(base_model: BaseModelRef) -> dg.AssetCheckResult:
    """Every file of a model that was trained here has the hash that its manifest names."""
    if base_model.n_parameters is None:
        return verdict(passed=True, expected="nothing: the model was not trained here", actual=base_model.location)
    return _is_whole(Path(base_model.location))


def _checkpoint_checks(checkpoint: dg.AssetsDefinition) -> list[dg.AssetChecksDefinition]:
    asset = checkpoint.key.to_user_string()

    @dg.asset_check(asset=checkpoint, partitions_def=authors_partitions, blocking=True)
    def manifest_is_whole(context: dg.AssetCheckExecutionContext, artifacts: ArtifactStore) -> dg.AssetCheckResult:
        """Every file of the checkpoint has the hash that its manifest names."""
        return _is_whole(artifacts.folder(asset, context.partition_key))

    @dg.asset_check(asset=checkpoint, partitions_def=authors_partitions)
    def loss_fell(context: dg.AssetCheckExecutionContext, artifacts: ArtifactStore) -> dg.AssetCheckResult:
        """The training loss is lower in the last quarter of the run than in the first."""
        quarters = loss_by_quarter(read_history(artifacts.folder(asset, context.partition_key)))
        return verdict(
            passed=quarters is not None and quarters[1] < quarters[0],
            expected="a lower loss in the last quarter of the run",
            actual=f"{quarters[0]:.3f} in the first, {quarters[1]:.3f} in the last"
            if quarters
            else "fewer than two losses were logged",
            severity=dg.AssetCheckSeverity.WARN,
        )

    return [manifest_is_whole, loss_fell]


def _is_whole(folder: Path) -> dg.AssetCheckResult:
    try:
        manifest = verify_manifest(folder)
    except ManifestError as error:
        return verdict(passed=False, expected="every file as in the manifest", actual=str(error))
    return verdict(passed=True, expected="every file as in the manifest", actual=f"{len(manifest.files)} files")


sft_manifest_is_whole, sft_loss_fell = _checkpoint_checks(sft_checkpoint)
dpo_manifest_is_whole, dpo_loss_fell = _checkpoint_checks(dpo_checkpoint)
