"""Checks of training: the checkpoint is whole, and it learnt something."""

from collections.abc import Iterable

import dagster as dg

from resources.artifacts import ArtifactStore
from twin_assets.checks import none_of, verdict
from twin_assets.documents import BaseModelRef, CleanedDocument
from twin_assets.partitions import authors_partitions
from twin_assets.training.assets import base_model, dpo_checkpoint, sft_checkpoint
from twin_assets.training.history import loss_by_quarter
from twin_assets.training.manifest import Manifest, ManifestError
from twin_assets.training.storage import checkpoint_history, verified_checkpoint


@dg.asset_check(asset=base_model, blocking=True, name="manifest_is_whole")
def base_model_is_whole(base_model: BaseModelRef) -> dg.AssetCheckResult:
    """Every file of a model that was trained here has the hash that its manifest names."""
    if base_model.revision is not None:
        return verdict(passed=True, expected="nothing: the model was not trained here", actual=base_model.location)
    return _is_whole(base_model.location)


def _checkpoint_checks(checkpoint: dg.AssetsDefinition) -> list[dg.AssetChecksDefinition]:
    asset = checkpoint.key.to_user_string()

    @dg.asset_check(asset=checkpoint, partitions_def=authors_partitions, blocking=True)
    def manifest_is_whole(context: dg.AssetCheckExecutionContext, artifacts: ArtifactStore) -> dg.AssetCheckResult:
        """Every file of the checkpoint has the hash that its manifest names."""
        return _is_whole(artifacts.address(asset, context.partition_key))

    @dg.asset_check(asset=checkpoint, partitions_def=authors_partitions)
    def loss_fell(context: dg.AssetCheckExecutionContext, artifacts: ArtifactStore) -> dg.AssetCheckResult:
        """The training loss is lower in the last quarter of the run than in the first."""
        quarters = loss_by_quarter(checkpoint_history(artifacts.address(asset, context.partition_key)))
        return verdict(
            passed=quarters is not None and quarters[1] < quarters[0],
            expected="a lower loss in the last quarter of the run",
            actual=f"{quarters[0]:.3f} in the first, {quarters[1]:.3f} in the last"
            if quarters
            else "fewer than two losses were logged",
            severity=dg.AssetCheckSeverity.WARN,
        )

    @dg.asset_check(
        asset=checkpoint,
        partitions_def=authors_partitions,
        additional_ins={"cleaned_documents": dg.AssetIn("cleaned_documents")},
        name="trained_on_what_is_there",
    )
    def trained_on_what_is_there(
        context: dg.AssetCheckExecutionContext, cleaned_documents: list[CleanedDocument], artifacts: ArtifactStore
    ) -> dg.AssetCheckResult:
        """No document that the checkpoint was trained on has been deleted since."""
        return _nothing_is_gone(artifacts.manifest(asset, context.partition_key), cleaned_documents)

    @dg.asset_check(asset=checkpoint, partitions_def=authors_partitions)
    def training_raised_no_alarm(
        context: dg.AssetCheckExecutionContext, artifacts: ArtifactStore
    ) -> dg.AssetCheckResult:
        """No gradient exploded while it trained, and not every pair was told apart within the first tenth."""
        return none_of(
            artifacts.manifest(asset, context.partition_key).warnings,
            what="alarm of the training",
            severity=dg.AssetCheckSeverity.WARN,
        )

    return [manifest_is_whole, loss_fell, trained_on_what_is_there, training_raised_no_alarm]


def _nothing_is_gone(manifest: Manifest, documents: Iterable[CleanedDocument]) -> dg.AssetCheckResult:
    """Return whether every document that a checkpoint was trained on is still there; those that are gone are named."""
    trained_on = manifest.trained_on
    if trained_on is None:
        return verdict(
            passed=False,
            expected="the ids of the documents trained on",
            actual="a manifest without them: train again",
            severity=dg.AssetCheckSeverity.WARN,
        )
    there = {document.document_id for document in documents}
    return none_of(
        [document_id for document_id in trained_on if document_id not in there],
        what="document that the model was trained on and that is gone",
        severity=dg.AssetCheckSeverity.WARN,
    )


def _is_whole(address: str) -> dg.AssetCheckResult:
    try:
        manifest = verified_checkpoint(address)
    except ManifestError as error:
        return verdict(passed=False, expected="every file as in the manifest", actual=str(error))
    return verdict(passed=True, expected="every file as in the manifest", actual=f"{len(manifest.files)} files")


(
    sft_manifest_is_whole,
    sft_loss_fell,
    sft_trained_on_what_is_there,
    sft_training_raised_no_alarm,
) = _checkpoint_checks(sft_checkpoint)
(
    dpo_manifest_is_whole,
    dpo_loss_fell,
    dpo_trained_on_what_is_there,
    dpo_training_raised_no_alarm,
) = _checkpoint_checks(dpo_checkpoint)
