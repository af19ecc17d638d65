"""Bootstrap intervals: where they are known exactly, and how often they cover the truth."""

import math

import numpy as np
import pytest

from twin_assets.evaluation.bootstrap import MIN_VALUES, Interval, mean_interval, ratio_interval


def test_constants_give_an_interval_without_width():
    interval = mean_interval([3.0] * 20)
    assert (interval.estimate, interval.low, interval.high, interval.n) == (3, 3, 3, 20)


def test_two_values_give_an_interval_from_one_to_the_other():
    interval = mean_interval([0.0, 1.0])
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0, 1)


def test_the_interval_of_a_mean_is_near_the_normal_one():
    values = np.random.default_rng(0).normal(5, 2, 400)
    interval = mean_interval(values.tolist())
    half = 1.96 * values.std() / math.sqrt(400)
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)


def test_about_nineteen_of_twenty_intervals_cover_the_truth():
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        interval = mean_interval(generator.exponential(1.0, 40).tolist())
        covered += interval.low <= 1.0 <= interval.high
    assert 176 <= covered <= 198


def test_five_values_are_the_fewest_whose_interval_is_not_from_the_smallest_to_the_greatest():
    # Of the resamples of n values, 1 in n to the n is the smallest alone. With 4 that is 0.4 per cent, and 0.01 should
    # lie below the interval; with 5 it is 0.03, and 0.1 should: there, four are the smallest and one is the next.
    assert MIN_VALUES == 5
    four, five = (mean_interval(range(n)) for n in (4, 5))
    assert (four.low, four.high) == (0, 3)
    assert (five.low, five.high) == pytest.approx((0.2, 3.8))


@pytest.mark.parametrize("n", [8, 12, 30])
def test_the_interval_of_few_values_is_as_wide_as_that_of_student_s_t(n):
    values = np.random.default_rng(3).uniform(-1, 1, n)
    t = {8: 2.365, 12: 2.201, 30: 2.045}[n]
    half = t * values.std(ddof=1) / math.sqrt(n)
    interval = mean_interval(values.tolist())
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.05)


def test_chance_looks_like_a_gain_hardly_more_often_than_promised_although_there_are_five_values_only():
    # 2.5 per cent of 600 are 15; this interval does it in 3.9 per cent, 23 of them, and plain percentiles in 8.1, 49.
    noise = np.random.default_rng(4).normal(size=(600, 5))
    assert sum(mean_interval(values.tolist()).low > 0 for values in noise) <= 36


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = np.random.default_rng(2).normal(size=30).tolist()
    assert mean_interval(values, seed=7) == mean_interval(values, seed=7)
    assert mean_interval(values, seed=7) != mean_interval(values, seed=8)


def test_a_ratio_is_of_sums_and_not_a_mean_of_ratios():
    interval = ratio_interval([1.0, 90.0], [1.0, 30.0])
    assert interval.estimate == pytest.approx(91 / 31)
    assert (interval.low, interval.high) == (1, 3)
    # Half of the resamples hold each pair once; an interval of level 0.1 leaves out 41 per cent of them at either end.
    middle = ratio_interval([1.0, 90.0], [1.0, 30.0], level=0.1)
    assert (middle.low, middle.high) == pytest.approx((91 / 31, 91 / 31))


def test_a_decreasing_function_swaps_the_ends():
    interval = Interval(estimate=1, low=0.5, high=2, level=0.95, n=3).transformed(lambda x: 1 / x)
    assert (interval.estimate, interval.low, interval.high) == (1, 0.5, 2)


@pytest.mark.parametrize(("estimate", "side"), [(1.0, 0), (1.13, 0), (1.15, 1), (0.87, 0), (0.85, -1)])
def test_a_difference_counts_when_it_exceeds_the_root_of_the_squared_half_widths(estimate, side):
    # Half-widths of 0.1 each: the noise of the difference is 0.1414.
    reference = Interval(estimate=1.0, low=0.9, high=1.1, level=0.95, n=9)
    other = Interval(estimate=estimate, low=estimate - 0.1, high=estimate + 0.1, level=0.95, n=9)
    assert other.side_of(reference) == side


@pytest.mark.parametrize(
    ("numerators", "denominators", "message"),
    [([], [], "there is none"), ([1.0], [1.0, 2.0], "its denominator"), ([1.0], [0.0], "above zero")],
)
def test_what_gives_no_interval_is_refused(numerators, denominators, message):
    with pytest.raises(ValueError, match=message):
        ratio_interval(numerators, denominators)
