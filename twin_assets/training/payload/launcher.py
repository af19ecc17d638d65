"""Who started the payload, and how it is told what happens: Dagster through Pipes, or a person at a terminal.

Among several processes of one training (torchrun, accelerate) only the first one speaks.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from dagster_pipes import PipesContext, PipesEnvVarParamsLoader, open_dagster_pipes

Metadata = Mapping[str, float | str]


class Launcher(Protocol):
    """What the payload may tell the one who started it."""

    def say(self, message: str) -> None:
        """Report progress in one line."""

    def warn(self, message: str) -> None:
        """Report what is not as it should be, in a training that goes on."""

    def fail(self, message: str) -> None:
        """Report why the training ends here."""

    def finish(self, metadata: Metadata, *, data_version: str) -> None:
        """Report the finished checkpoint."""


class PipesLauncher:
    """Dagster, through Pipes."""

    def __init__(self, pipes: PipesContext) -> None:
        """Speak to the Dagster process behind `pipes`."""
        self._pipes = pipes

    def say(self, message: str) -> None:
        """Log to the Dagster run."""
        self._pipes.log.info(message)

    def warn(self, message: str) -> None:
        """Log a warning to the Dagster run."""
        self._pipes.log.warning(message)

    def fail(self, message: str) -> None:
        """Log an error to the Dagster run; the exit code fails its step."""
        self._pipes.log.error(message)

    def finish(self, metadata: Metadata, *, data_version: str) -> None:
        """Report the materialization of the asset that the step is for."""
        self._pipes.report_asset_materialization(metadata=dict(metadata), data_version=data_version)


class ConsoleLauncher:
    """A person, or a log file."""

    def say(self, message: str) -> None:
        """Write a line to standard output."""
        sys.stdout.write(message + "\n")
        sys.stdout.flush()

    def warn(self, message: str) -> None:
        """Write a line that stands out to standard output."""
        self.say(f"warning: {message}")

    def fail(self, message: str) -> None:
        """Write nothing: the program writes every error to standard error itself."""

    def finish(self, metadata: Metadata, *, data_version: str) -> None:
        """Write the figures, one to a line."""
        lines = [f"  {name}: {value}" for name, value in metadata.items()]
        self.say("\n".join([f"finished, data version {data_version}", *lines]))


class SilentLauncher:
    """Nobody: what the second and later processes of one training report to."""

    def say(self, message: str) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing."""

    def fail(self, message: str) -> None:
        """Say nothing."""

    def finish(self, metadata: Metadata, *, data_version: str) -> None:
        """Say nothing."""


def is_first_process() -> bool:
    """Return whether this is the first, or the only, process of the training (`RANK`, as torchrun sets it)."""
    return int(os.environ.get("RANK", "0")) == 0


def number_of_processes() -> int:
    """Return how many processes train together (`WORLD_SIZE`, as torchrun sets it)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def open_launcher() -> Iterator[Launcher]:
    """Connect to whoever started this process; an exception inside is reported to Dagster before it goes on."""
    if not is_first_process():
        yield SilentLauncher()
    elif (params := PipesEnvVarParamsLoader()).is_dagster_pipes_process():  # type: ignore[no-untyped-call]
        with _open_pipes(params) as pipes:
            yield PipesLauncher(pipes)
    else:
        yield ConsoleLauncher()


def _open_pipes(params: PipesEnvVarParamsLoader) -> PipesContext:
    """Connect to Dagster: through a file on this machine, or through S3."""
    # Imported here: a training on this machine needs no AWS.
    from twin_assets.training.payload.pipes_s3 import ContinuingMessageWriter, context_loader, s3_client, uses_s3

    if not uses_s3(params):
        return open_dagster_pipes()
    client = s3_client()
    return open_dagster_pipes(context_loader=context_loader(client), message_writer=ContinuingMessageWriter(client))
