"""Finding again what was launched: the one place that touches Dagster's own record of external runs.

Dagster keeps a launch handle in the event log of the run, and finds it for a retried step, a resumed run worker and a
run that was started again from failure. The module is not part of Dagster's public interface: if it changes, only this
file has to.
"""

from collections.abc import Mapping

import dagster as dg
from dagster._core.pipes.reattach import (
    PipesLaunchHandle,
    find_latest_launch_handle,
    record_external_launch,
    record_external_reattach,
)

LaunchHandle = PipesLaunchHandle


def launched_before(context: dg.AssetExecutionContext, client: str) -> LaunchHandle | None:
    """Return the handle of what `client` launched for this step before, in this run or in the one it retries."""
    return find_latest_launch_handle(context, client_name=client)


def record_launch(
    context: dg.AssetExecutionContext, client: str, external_id: str, *, url: str, details: Mapping[str, str]
) -> None:
    """Write down what was launched; to be called before anything is awaited."""
    record_external_launch(
        context, client_name=client, external_run_id=external_id, external_run_url=url, extras=details
    )


def record_reattachment(context: dg.AssetExecutionContext, handle: LaunchHandle) -> None:
    """Write down that this step now waits for what was launched before."""
    record_external_reattach(context, handle)
