"""Measuring: the median of a few runs, and peak memory."""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

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
    command = [sys.executable, "-c", code]
    return seconds_of(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), runs=runs)


def peak_megabytes() -> float:
    """Return the most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.is_file():
        # A process started by another one inherits that one's peak in getrusage, but not here.
        [line] = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes / (1024 * 1024 if sys.platform == "darwin" else 1024)
