"""Measuring and printing: the median of a few runs, and ratios between them."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from rich.console import Console

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


def print_figure(name: str, seconds: float, *, against: str, reference: float, bound: str = "") -> None:
    """Print one figure: seconds, and how they stand to the reference."""
    ratio = seconds / reference
    Console().print(
        f"{name:<52} {seconds:8.2f} s   {ratio:7.3f} x {against} ({reference:.2f} s)"
        + (f"   {bound}" if bound else ""),
        highlight=False,
    )
