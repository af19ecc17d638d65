"""Percentile bootstrap intervals (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

Every number in a report carries one, so that a difference can be told from noise. What is resampled is what was
sampled in the first place: documents, queries, texts. Which numbers are worth an interval is decided elsewhere.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from pydantic import Field

from twin_assets.documents import Entity

LEVEL = 0.95
RESAMPLES = 2000

_INDICES_AT_ONCE = 2_000_000


class Interval(Entity):
    """An estimate, and the range in which it would fall were the sample drawn again.

    One value has nothing to vary with: its interval has no width, and `n` says why.
    """

    estimate: float = Field(description="What was measured")
    low: float = Field(description="Lower end of the interval")
    high: float = Field(description="Upper end of the interval")
    level: float = Field(description="Probability that intervals made this way cover the true value")
    n: int = Field(description="Independent units measured: documents, queries or texts")

    def transformed(self, function: Callable[[float], float]) -> "Interval":
        """Return the interval of `function(value)`; percentile intervals allow any monotone function."""
        ends = sorted((function(self.low), function(self.high)))
        return Interval(estimate=function(self.estimate), low=ends[0], high=ends[1], level=self.level, n=self.n)

    def side_of(self, other: "Interval") -> int:
        """Return 1 when this lies above `other` outside the noise, -1 when below, 0 when the noise may explain it.

        The half-widths towards each other add in squares, as for independent estimates (Schenker & Gentleman 2001,
        The American Statistician 55:3); asking that the intervals do not touch would demand too much.
        """
        higher, lower = (self, other) if self.estimate > other.estimate else (other, self)
        noise = math.hypot(higher.estimate - higher.low, lower.high - lower.estimate)
        if higher.estimate - lower.estimate <= noise:
            return 0
        return 1 if higher is self else -1

    def text(self, digits: int = 2) -> str:
        """Return "1.23 [1.10, 1.40]"."""
        return f"{self.estimate:,.{digits}f} [{self.low:,.{digits}f}, {self.high:,.{digits}f}]"


def mean_interval(
    values: Sequence[float], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return the mean of `values` with its percentile interval.

    Raises:
        ValueError: If `values` is empty.
    """
    return ratio_interval(values, [1.0] * len(values), level=level, resamples=resamples, seed=seed)


def ratio_interval(
    numerators: Sequence[float],
    denominators: Sequence[float],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return `sum(numerators) / sum(denominators)`, resampled over the pairs.

    The ratio of a corpus: loss over tokens with documents as pairs, hits over queries with documents as pairs.

    Raises:
        ValueError: If there are no pairs, the lengths differ, or a denominator is not positive.
    """
    above, below = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    if above.size == 0:
        raise ValueError("An interval needs at least one value, and there is none.")
    if above.shape != below.shape:
        raise ValueError(f"Each numerator needs its denominator: got {above.size} and {below.size}.")
    if not (below > 0).all():
        raise ValueError("Denominators must be above zero.")
    drawn = np.concatenate(
        [above[draw].sum(axis=1) / below[draw].sum(axis=1) for draw in draws(above.size, resamples, seed)]
    )
    return percentile_interval(float(above.sum() / below.sum()), drawn, level=level, n=above.size)


def percentile_interval(estimate: float, drawn: np.ndarray, *, level: float, n: int) -> Interval:
    """Return the interval between the percentiles of resampled values `drawn` (any shape) that hold `level` of them."""
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(estimate=estimate, low=float(low), high=float(high), level=level, n=n)


def draws(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield resampled indices of `n` units, in batches of shape (some resamples, n) that fit in memory."""
    generator = np.random.default_rng(seed)
    batch = max(1, _INDICES_AT_ONCE // n)
    for done in range(0, resamples, batch):
        yield generator.integers(0, n, size=(min(batch, resamples - done), n))
