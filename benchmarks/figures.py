"""Printing what was measured: ratios with their targets, and whether all of them hold."""

from rich.console import Console


class Figures:
    """The lines of one run of the benchmarks."""

    def __init__(self) -> None:
        self.missed = 0

    def ratio(self, name: str, ratio: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
        """Print a ratio with its target, and remember if it is missed."""
        holds = (at_least is None or ratio >= at_least) and (at_most is None or ratio <= at_most)
        self.missed += not holds
        target = f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}"
        self._print(f"{name:<72} {ratio:8.3f}   {target:<15} {'holds' if holds else 'MISSED'}")

    def note(self, name: str, value: str) -> None:
        """Print a figure that has no target."""
        self._print(f"{name:<72} {value}")

    @staticmethod
    def _print(line: str) -> None:
        Console().print(line, highlight=False, soft_wrap=True)
