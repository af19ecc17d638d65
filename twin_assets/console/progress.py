"""What a person sees while a build runs: one line per asset, with its seconds, and a live clock for the present one."""

import os
import sys
import time
from types import TracebackType

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.status import Status


class RunProgress:
    """Prints the events of a run as they come.

    Dagster captures the standard streams of a step while it runs, so the progress goes to a copy of stderr that was
    made before.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._file = os.fdopen(os.dup(sys.stderr.fileno()), "w")
        self._console = Console(file=self._file, quiet=quiet, highlight=False)
        self._status: Status | None = None
        self._started = time.monotonic()

    def __enter__(self) -> "RunProgress":
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Clear the live line and close the copy of stderr."""
        self._clear()
        self._file.close()

    def notice(self, sentence: str) -> None:
        """Print a sentence that a user should know."""
        self._clear()
        self._console.print(sentence, markup=False, style="dim")

    def event(self, event: dg.DagsterEvent) -> None:
        """Show what an event of the run says."""
        if event.is_step_start:
            self._begin(str(event.step_key))
        elif event.is_step_materialization and event.asset_key:
            self._finish(event)
        elif event.is_step_failure:
            self._clear()
            self._console.print(f"[bold red]failed[/]  {event.step_key}")

    def _begin(self, step: str) -> None:
        self._clear()
        self._started = time.monotonic()
        if self._console.is_terminal:
            self._status = self._console.status(f"{step} ...")
            self._status.start()

    def _finish(self, event: dg.DagsterEvent) -> None:
        self._clear()
        metadata = event.step_materialization_data.materialization.metadata
        summary = str(metadata["summary"].value) if "summary" in metadata else ""
        name = event.asset_key.to_user_string() if event.asset_key else ""
        seconds = time.monotonic() - self._started
        self._console.print(f"[green]done[/]  {name:<20} {seconds:6.1f} s  {escape(summary)}", soft_wrap=True)

    def _clear(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None
