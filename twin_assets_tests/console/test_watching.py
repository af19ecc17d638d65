"""What ends a run that somebody watches: one step that fails does not, one that somebody interrupts does."""

import signal
import uuid
from collections.abc import Callable

import dagster as dg
import pytest

from twin_assets.console.watching import RunWatch
from twin_assets.failures import ASKS_THE_NETWORK, telling_failures


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def interrupted_in_a_library() -> None:
    raise KeyboardInterrupt


def fails() -> None:
    raise ValueError("a mistake")


@pytest.mark.parametrize(
    ("ends", "steps", "reason"),
    [
        (ctrl_c, 1, "it was interrupted; what was finished is kept"),
        (interrupted_in_a_library, 1, "it was interrupted; what was finished is kept"),
        (fails, 2, "a mistake"),
    ],
)
def test_an_interruption_of_a_step_that_would_be_tried_again_ends_the_whole_run(
    ends: Callable[[], None], steps: int, reason: str
):
    begun: list[str] = []

    def step(name: str) -> dg.AssetsDefinition:
        @dg.asset(name=name, retry_policy=ASKS_THE_NETWORK)
        @telling_failures
        def asked() -> dg.MaterializeResult[None]:
            begun.append(name)
            ends()
            return dg.MaterializeResult()

        return asked

    run_id = str(uuid.uuid4())
    with dg.DagsterInstance.ephemeral() as instance:
        watch = RunWatch(instance, run_id, lambda _: None, lambda _: None)
        instance.add_event_listener(run_id, watch.hear)
        job = dg.Definitions([step("dear"), step("dearer")]).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(run_id=run_id, instance=instance, raise_on_error=False)

    assert not result.success
    assert len(begun) == steps
    assert watch.failed == tuple(begun)
    assert watch.interrupted is (steps == 1)
    assert reason in next(watch.failures())
