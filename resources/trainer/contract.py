"""What a trainer is to an asset: it looks for a finished checkpoint, and it trains one.

Where and how the payload is started belongs to the trainers themselves.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import dagster as dg
from dagster import PipesExecutionResult
from pydantic import Field

from twin_assets.documents import Entity
from twin_assets.training.manifest import Manifest, ManifestError
from twin_assets.training.sharing import shared
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import checkpoint_manifest, verified_checkpoint


class TrainingOutcome(Entity):
    """What a training left behind."""

    manifest: Manifest
    reused: bool
    """True if the checkpoint was there already and nothing was trained."""


class Trainer(dg.ConfigurableResource, ABC):  # type: ignore[type-arg]
    """A machine that trains."""

    is_elsewhere: ClassVar[bool] = False
    """Whether it is another machine than this one, which may not reach what this one does."""

    gpus: int = Field(default=1, ge=0, description="GPUs of the machine that trains")

    def shared(self, spec: TrainingSpec) -> TrainingSpec:
        """Return the spec as the GPUs of this trainer share it; on one, as it is."""
        return shared(spec, self.gpus)

    def finished(self, spec: TrainingSpec) -> Manifest | None:
        """Return the manifest of the checkpoint that answers this very spec, if it is there and whole."""
        try:
            if checkpoint_manifest(spec.output_uri).spec_hash != spec.spec_hash:
                return None
        except ManifestError as error:
            dg.get_dagster_logger().info(f"There is nothing to take over: {error}")
            return None
        try:
            return verified_checkpoint(spec.output_uri)
        except ManifestError as error:
            dg.get_dagster_logger().warning(f"{spec.output_uri} is damaged and will be trained again: {error}")
            return None

    def under_way(self, spec: TrainingSpec) -> TrainingSpec | None:
        """Return the spec that a job which trains the same thing right now was started with, if there is one.

        It differs from `spec` in its bookkeeping only: the MLflow run that the job logs to.
        """
        return None

    @abstractmethod
    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        """Run the payload to its end, or wait for the end of one that is under way, and return what it left behind.

        Raises:
            dg.Failure: If it fails; it says whether a retry can help.
            DagsterPipesExecutionError: If a payload on this machine exits with an error.
        """


def outcome_of(
    spec: TrainingSpec, results: Sequence[PipesExecutionResult], metadata: dict[str, Any]
) -> TrainingOutcome:
    """Return what a payload left behind that ended well, if it said what lies at the output now.

    Without the implicit materialization of Pipes: a payload that reported nothing is not a success.

    Raises:
        dg.Failure: If it reported nothing, or another version than lies there.
    """
    versions = [
        result.data_version.value
        for result in results
        if isinstance(result, dg.MaterializeResult) and result.data_version
    ]
    if not versions:
        raise dg.Failure(
            description="The payload ended without reporting a checkpoint. If its last messages were lost, a retry "
            f"takes over what lies at {spec.output_uri}.",
            metadata=metadata,
            allow_retries=True,
        )
    manifest = verified_checkpoint(spec.output_uri)
    # A machine that was taken away between report and end trains on, and reports twice: the last word counts.
    if manifest.data_version != versions[-1] or manifest.spec_hash != spec.spec_hash:
        raise dg.Failure(
            description=f"The payload reported the version {versions[-1]}, but {spec.output_uri} holds "
            f"{manifest.data_version}: another run has written there.",
            metadata=metadata,
            allow_retries=False,
        )
    return TrainingOutcome(manifest=manifest, reused=False)
