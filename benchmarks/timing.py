"""Measuring: the median of a few runs, and peak memory."""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

RUNS = 3


def seconds_of(action: Callable[[], object], *, runs: int = RUNS) -> float:
    """Return the median wall-clock seconds of calling `action`."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def seconds_of_python(code: str, *, runs: int = RUNS) -> float:
    """Return the median wall-clock seconds of a fresh Python process that runs `code`."""
    return seconds_of(lambda: subprocess.run([sys.executable, "-c", code], check=True), runs=runs)


def peak_megabytes() -> float:
    """Return the most memory that this process has held so far."""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes / (1024 * 1024 if sys.platform == "darwin" else 1024)
