"""Interruptions while a job is waited for: noted when they come, acted upon at the next pause, or at the end.

Dagster raises an interruption wherever the process happens to be. In a callback of the garbage collector Python prints
and forgets it, and a job that somebody meant to stop goes on: seen in one of SQLAlchemy's. So they are only noted here,
with Dagster's own means, until there is a place to raise them.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils import interrupts

INTERRUPTIONS = (DagsterExecutionInterruptedError, KeyboardInterrupt)

LONGEST_SLICE = 0.5
"""Seconds after which a pause looks whether it was interrupted: a signal that is only noted wakes no sleeper."""


@contextmanager
def capture_interrupts() -> Iterator[None]:
    """Only note interruptions within the block, and raise what no pause has raised at its end.

    Dagster forgets what was noted when a block ends: the next stage, which is paid for, would start.

    Raises:
        DagsterExecutionInterruptedError: If somebody interrupted the process; also in place of a failure, which might
            be tried again.
    """
    with interrupts.capture_interrupts():
        try:
            yield
        finally:
            pause(0)


def pause(seconds: float) -> None:
    """Wait, inside a block of `capture_interrupts`.

    Raises:
        DagsterExecutionInterruptedError: If somebody interrupted the process, now or since the last pause.
    """
    until = time.monotonic() + seconds
    while True:
        if interrupts.pop_captured_interrupt():
            raise DagsterExecutionInterruptedError
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, LONGEST_SLICE))
