"""The trainer that starts the payload as a subprocess of this machine, through Dagster Pipes."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterPipesExecutionError
from pydantic import Field

from resources.trainer.contract import Trainer, TrainingOutcome, outcome_of
from twin_assets.failures import RETRY_CAN_HELP
from twin_assets.settings import PROJECT_ROOT, Settings
from twin_assets.training.payload.exit_codes import STORAGE_EXIT_CODE
from twin_assets.training.spec import TrainingSpec

PAYLOAD = (sys.executable, "-m", "twin_assets.training.payload")


class LocalTrainer(Trainer):
    """Trains in a subprocess on this machine."""

    hub_offline: bool = Field(default=True, description="Forbid the payload to download from a model hub")

    @classmethod
    def from_settings(cls, settings: Settings) -> "LocalTrainer":
        """Configure the trainer that the settings name."""
        return cls(hub_offline=settings.hub_offline)

    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        """Run the payload to its end and return what it left behind."""
        with tempfile.TemporaryDirectory(prefix="twin-training-") as folder:
            spec_file = Path(folder) / "spec.json"
            spec.write(spec_file)
            with retry_if_the_store_was_away():
                invocation = dg.PipesSubprocessClient().run(
                    context=context.op_execution_context,
                    # Else it would train on when this process is killed, beside the one that the next build starts.
                    command=[*PAYLOAD, str(spec_file), "--parent", str(os.getpid())],
                    cwd=str(PROJECT_ROOT),
                    env=self._environment(),
                )
        return outcome_of(spec, invocation.get_results(implicit_materializations=False), metadata={})

    def _environment(self) -> dict[str, str]:
        environment = {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
        if self.hub_offline:
            environment["HF_HUB_OFFLINE"] = "1"
        return environment


@contextmanager
def retry_if_the_store_was_away() -> Iterator[None]:
    """Turn the end of a payload that lost its object store into a failure that is tried again.

    Raises:
        dg.Failure: In place of an exit with `STORAGE_EXIT_CODE`.
    """
    try:
        yield
    except DagsterPipesExecutionError as error:
        # Pipes tells the code in its sentence alone.
        if not str(error).endswith(f" {STORAGE_EXIT_CODE}"):
            raise
        raise dg.Failure(
            description="The object store was away; its answer stands in the log of the run. A retry goes on from the "
            "last checkpoint.",
            metadata={RETRY_CAN_HELP: True},
            allow_retries=True,
        ) from error
