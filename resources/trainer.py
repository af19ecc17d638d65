"""The trainer: where a training payload runs.

`LocalTrainer` starts it as a subprocess through Dagster Pipes. Whatever the machine, the payload and its spec are the
same, its progress and log reach the run, and a checkpoint that already answers the spec is never trained again.
"""

import sys
import tempfile
from pathlib import Path

import dagster as dg
from pydantic import Field

from twin_assets.documents import Entity
from twin_assets.settings import PROJECT_ROOT, Settings
from twin_assets.training.manifest import Manifest, ManifestError
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import checkpoint_manifest, verified_checkpoint


class TrainingOutcome(Entity):
    """What a training left behind."""

    manifest: Manifest
    reused: bool
    """True if the checkpoint was there already and nothing was trained."""


class LocalTrainer(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Trains in a subprocess on this machine."""

    hub_offline: bool = Field(default=True, description="Forbid the payload to download from a model hub")

    @classmethod
    def from_settings(cls, settings: Settings) -> "LocalTrainer":
        """Configure the trainer that the settings name."""
        return cls(hub_offline=settings.hub_offline)

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

    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        """Run the payload to its end and return what it left behind.

        Raises:
            DagsterPipesExecutionError: If the payload exits with an error.
            dg.Failure: If it reported another version than lies there. A retry cannot help: the same spec would end the
                same way.
        """
        with tempfile.TemporaryDirectory(prefix="twin-training-") as folder:
            spec_file = Path(folder) / "spec.json"
            spec.write(spec_file)
            invocation = dg.PipesSubprocessClient().run(
                context=context.op_execution_context,
                command=[sys.executable, "-m", "twin_assets.training.payload", str(spec_file)],
                cwd=str(PROJECT_ROOT),
                env=self._environment(),
            )
        # Without the implicit materialization, a payload that reported nothing is not a success.
        result = invocation.get_materialize_result(implicit_materialization=False)
        manifest = verified_checkpoint(spec.output_uri)
        reported = result.data_version.value if result.data_version else None
        if reported != manifest.data_version:
            raise dg.Failure(
                description=f"The payload reported the version {reported}, but {spec.output_uri} holds "
                f"{manifest.data_version}.",
                allow_retries=False,
            )
        return TrainingOutcome(manifest=manifest, reused=False)

    def _environment(self) -> dict[str, str]:
        environment = {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
        if self.hub_offline:
            environment["HF_HUB_OFFLINE"] = "1"
        return environment
