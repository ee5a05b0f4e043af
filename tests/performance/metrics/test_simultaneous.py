"""Intervals at other levels, the interval of the worst of several metrics, and the examples that a margin needs."""

import math
import random
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2

from performance.metrics.statistics.intervals import Interval, logit, normal, wilson
from performance.metrics.statistics.means import Mean
from performance.metrics.statistics.simultaneous import (
    at_level,
    follows_score,
    needed_ratio,
    needed_ratio_of_all,
    worst_interval,
)
from tests.benchmarks.coverage_grid.numeric_scores import mean_of


def wilson_of(successes: int, count: int) -> Interval:
    found = wilson(successes / count, count)
    assert found is not None
    return found


@pytest.mark.parametrize("level", [0.5, 0.9, 0.975, 0.99, 0.999])
@pytest.mark.parametrize(("successes", "count"), [(45, 50), (50, 50), (0, 20), (1, 1000), (499, 1000), (3, 3)])
def test_wilson_at_another_level_is_that_of_scipy(successes: int, count: int, level: float) -> None:
    expected = binomtest(successes, count).proportion_ci(level, method="wilson")
    of_few = chi2.ppf(1 - level, 2 * successes) / 2 / count if successes == 1 else 1.0  # as Brown, Cai and DasGupta say

    found = at_level(successes / count, wilson_of(successes, count), level, 0, 1)

    assert (found.lower, found.upper) == pytest.approx((min(expected.low, of_few), expected.high), abs=1e-12)
    assert (found.level, found.method) == (level, "wilson")


def test_other_fractions_are_scaled_as_log_odds_and_other_metrics_as_they_are() -> None:
    ratio = NormalDist().inv_cdf(0.995) / NormalDist().inv_cdf(0.975)
    plain, odds = normal(3.0, 4.0, "plain"), logit(0.9, 0.001, 100, "odds")
    assert plain is not None
    assert odds is not None

    wider = at_level(3.0, plain, 0.99, -math.inf, math.inf)
    assert (wider.lower, wider.upper) == pytest.approx((3 - ratio * (3 - plain.lower), 3 + ratio * (plain.upper - 3)))
    assert at_level(3.0, plain, 0.99, 0, math.inf).lower == 0
    scaled = at_level(0.9, odds, 0.99, 0, 1)
    spread = ratio * (math.log(9) - math.log(odds.lower / (1 - odds.lower)))
    assert math.log(scaled.lower / (1 - scaled.lower)) == pytest.approx(math.log(9) - spread)
    assert 0 < scaled.lower < odds.lower < odds.upper < scaled.upper < 1


def test_at_its_own_level_an_interval_is_itself() -> None:
    assert at_level(0.9, wilson_of(45, 50), 0.95, 0, 1) == wilson_of(45, 50)


@given(st.integers(1, 400).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))), st.booleans())
def test_a_higher_level_is_never_narrower(counts: tuple[int, int], is_wilson: bool) -> None:
    found = wilson_of(*counts)
    given_one = found if is_wilson else Interval(found.lower, found.upper, "another")
    ends = [at_level(counts[0] / counts[1], given_one, level, 0, 1) for level in (0.95, 0.99, 0.999)]

    rounding = 1e-12
    for one, higher in pairwise(ends):
        assert higher.lower - rounding <= one.lower <= one.upper <= higher.upper + rounding


def holm_keeps(successes: list[int], count: int, bound: float) -> bool:
    """Return whether Holm's procedure rejects, for each group, that its share is below the bound. By its definition."""
    scores = [(one / count - bound) / math.sqrt(bound * (1 - bound) / count) for one in successes]
    p_values = sorted(1 - NormalDist().cdf(score) for score in scores)
    return all(p <= 0.025 / (len(p_values) - rank) for rank, p in enumerate(p_values))


@given(st.lists(st.integers(5, 55), min_size=1, max_size=8))  # below, the ends of Wilson's interval are further out
def test_the_end_of_the_worst_is_where_holms_procedure_stops_rejecting(successes: list[int]) -> None:
    found, _ = worst_interval(
        [(one / 60, wilson_of(one, 60)) for one in successes], is_greatest=False, lower=0, upper=1
    )

    assert holm_keeps(successes, 60, found.lower - 1e-9)
    assert not holm_keeps(successes, 60, found.lower + 1e-9)
    assert found.lower <= min(successes) / 60 <= found.upper


def test_the_greatest_mirrors_the_least() -> None:
    shares = (40, 45, 55)
    least, _ = worst_interval([(one / 60, wilson_of(one, 60)) for one in shares], is_greatest=False, lower=0, upper=1)
    greatest, _ = worst_interval(
        [(1 - one / 60, wilson_of(60 - one, 60)) for one in shares], is_greatest=True, lower=0, upper=1
    )

    assert (1 - greatest.upper, 1 - greatest.lower) == pytest.approx((least.lower, least.upper))


@pytest.mark.parametrize(
    ("counts", "decisive"),
    [([(54, 60), (8, 8), (190, 200)], 1), ([(54, 60), (80, 80)], 0), ([(200, 200), (19, 20)], 1)],
)
@pytest.mark.parametrize("is_greatest", [False, True])
def test_the_end_is_that_of_the_metric_without_which_it_would_be_another(
    counts: list[tuple[int, int]], decisive: int, is_greatest: bool
) -> None:
    pairs = [(size - right, size) if is_greatest else (right, size) for right, size in counts]
    estimates = [(right / size, wilson_of(right, size)) for right, size in pairs]

    def end_of(some: list[tuple[float, Interval]]) -> float:
        found, _ = worst_interval(some, is_greatest=is_greatest, lower=0, upper=1)
        return found.upper if is_greatest else found.lower

    _, found = worst_interval(estimates, is_greatest=is_greatest, lower=0, upper=1)
    narrower = [(value, interval) for at, (value, interval) in enumerate(estimates) if at != found]

    assert found == decisive
    assert (end_of(narrower) < end_of(estimates)) if is_greatest else (end_of(narrower) > end_of(estimates))


def test_one_group_has_its_own_interval() -> None:
    found, _ = worst_interval([(0.9, wilson_of(54, 60))], is_greatest=False, lower=0, upper=1)

    assert (found.lower, found.upper) == (wilson_of(54, 60).lower, wilson_of(54, 60).upper)


@pytest.mark.parametrize("truths", [[0.8] * 10, [0.7, *[0.95] * 9], [0.9, 0.85]])
def test_the_interval_of_the_worst_is_beyond_the_truth_in_at_most_four_percent(truths: list[float]) -> None:
    generator = random.Random(7)  # noqa: S311  # a simulation
    count, runs = 100, 1000
    beyond = 0
    for _ in range(runs):
        drawn = [sum(generator.random() < truth for _ in range(count)) for truth in truths]
        estimates = [(one / count, wilson_of(one, count)) for one in drawn]
        beyond += worst_interval(estimates, is_greatest=False, lower=0, upper=1)[0].lower > min(truths)

    assert beyond / runs <= 0.04


@pytest.mark.parametrize(("share", "count", "bound"), [(0.95, 100, 0.93), (1.0, 20, 0.9), (0.9, 50, 0.89)])
def test_as_many_examples_as_are_needed_put_wilsons_end_on_the_bound(share: float, count: int, bound: float) -> None:
    found = wilson(share, count)
    assert found is not None
    ratio = needed_ratio(share, found.lower, bound, is_score=True)
    assert ratio is not None

    enough = wilson(share, count * ratio)

    assert enough is not None
    assert enough.lower == pytest.approx(bound)


@pytest.mark.parametrize(("perfect", "others", "bound"), [(20, [], 0.95), (29, [0.0], 0.9), (60, [0.5, 0.0], 0.93)])
def test_few_more_queries_are_needed_if_nearly_all_are_perfect(perfect: int, others: list[float], bound: float) -> None:
    values = np.array([1.0] * perfect + others)
    found = mean_of(values).bounded_estimate(0, 1)
    assert found.interval is not None
    assert found.value is not None
    is_score = follows_score(found.interval, 0, 1)
    ratio = needed_ratio(found.value, found.interval.lower, bound, is_score=is_score)
    assert ratio is not None

    sums = np.array([count := len(values), count, values.sum(), values.sum(), (values**2).sum()])
    enough, fewer = (Mean(*(sums * times)).bounded_estimate(0, 1).interval for times in (1.1 * ratio, 0.8 * ratio))

    assert enough is not None
    assert fewer is not None
    assert fewer.lower < bound < enough.lower


@pytest.mark.parametrize("shares", [(45, 55, 58), (47, 48, 50), (46,)])
@pytest.mark.parametrize("is_least", [True, False])
def test_as_many_examples_as_are_needed_put_the_end_of_the_worst_on_the_bound(
    shares: tuple[int, ...], is_least: bool
) -> None:
    values, bound = ([one / 60 for one in shares], 0.72) if is_least else ([1 - one / 60 for one in shares], 0.28)
    found = [(value, interval) for value in values if (interval := wilson(value, 60))]
    needed = needed_ratio_of_all(found, bound, is_least=is_least, lower=0, upper=1)
    assert needed is not None
    ratio, slowest = needed
    assert ratio > 1
    assert slowest == 0  # the closest to the bound

    enough = [(value, interval) for value in values if (interval := wilson(value, 60 * ratio))]
    worst, _ = worst_interval(enough, is_greatest=not is_least, lower=0, upper=1)

    assert (worst.lower if is_least else worst.upper) == pytest.approx(bound)
    assert needed_ratio_of_all(found, 0.9 if is_least else 0.1, is_least=is_least, lower=0, upper=1) is None


@pytest.mark.parametrize(
    ("value", "end", "bound", "ratio"),
    [
        (10, 4, 8, 9),
        (10, 16, 12, 9),
        (10, 4, 4, 1),
        (10, 4, 10, None),  # no margin
        (10, 4, 11, None),  # the value is on the wrong side
        (10, 4, 3, None),  # the end is beyond the bound already
        (10, 10, 10, None),
        (math.inf, 4, 8, None),
        (10, 4, math.nextafter(10, 0), None),
    ],
)
def test_a_third_of_the_width_needs_nine_times_the_examples(
    value: float, end: float, bound: float, ratio: float | None
) -> None:
    assert needed_ratio(value, end, bound) == (None if ratio is None else pytest.approx(ratio))
