"""Whether the intervals that the benchmark compares widths with are those of their sources."""

from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from tests.benchmarks.coverage_grid import rivals
from tests.benchmarks.coverage_grid.areas_of_classes import mean_areas

Z = stats.norm.ppf(0.975)

pytestmark = pytest.mark.once


def first(ends: Any) -> tuple[float, float]:
    return float(ends[0][0]), float(ends[1][0])


def test_intervals_of_means_are_those_of_scipy() -> None:
    values = np.random.default_rng(1).gamma(2, size=60)

    found = rivals.positive_means(values[None])

    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert first(found["Student's t"]) == pytest.approx((expected.low, expected.high))
    resampled = stats.bootstrap((values,), np.mean, n_resamples=4000, method="BCa", rng=2).confidence_interval
    assert first(found["bootstrap BCa"]) == pytest.approx((resampled.low, resampled.high), abs=0.08)


@pytest.mark.parametrize("count", [8, 30, 101])
def test_order_statistics_hold_a_median_in_at_least_95_of_100_samples(count: int) -> None:
    lower, upper = first(rivals.medians_of(np.arange(1.0, count + 1)[None])["order statistics"])

    assert stats.binom.cdf(upper - 1, count, 0.5) - stats.binom.cdf(lower - 1, count, 0.5) >= 0.95
    assert stats.binom.cdf(upper - 2, count, 0.5) - stats.binom.cdf(lower, count, 0.5) < 0.95


@pytest.mark.parametrize(("newer", "older"), [(3, 12), (0, 4), (20, 18)])
def test_tangos_ends_are_as_far_as_the_score_statistic_allows(newer: int, older: int) -> None:
    size = 60
    one, other, both = (np.array([each]) for each in (newer, older, 30))

    for difference in first(rivals.paired_shares(one, other, both, size)["Tango"]):

        def unlikeliness(share: float, difference: float = difference) -> float:
            """Return minus the log likelihood, if `share` is that of the older version alone."""
            shares = np.array([share + difference, share, 1 - 2 * share - difference])
            observed = np.array([newer, older, size - newer - older])
            return float(-(observed * np.log(np.maximum(shares, 1e-300))).sum())

        bounds = max(0.0, -difference), (1 - difference) / 2
        share = optimize.minimize_scalar(unlikeliness, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        error = np.sqrt(size * (2 * share + difference * (1 - difference)))
        assert abs(newer - older - size * difference) == pytest.approx(Z * error, rel=1e-3)


def test_newcombes_ends_without_correlation_are_those_of_independent_shares() -> None:
    # Of 80 examples, the versions are right about 40 and 48, and about both as often as by chance.
    newer, older, both = (np.array([each]) for each in (16, 24, 24))

    found = first(rivals.paired_shares(newer, older, both, 80)["Newcombe 10"])

    one, other = (stats.binomtest(each, 80).proportion_ci(method="wilson") for each in (40, 48))
    down, up = np.hypot(0.5 - one.low, other.high - 0.6), np.hypot(one.high - 0.5, 0.6 - other.low)
    assert found == pytest.approx((-0.1 - down, -0.1 + up))


def test_a_design_effect_of_one_leaves_wilsons_interval_but_for_the_number_of_groups() -> None:
    sums = np.zeros((1, 20))

    found = first(rivals.kish_wilson(np.array([0.9]), np.array([200.0]), sums))

    size = 200 * (Z / stats.t.ppf(0.975, 19)) ** 2
    assert found == pytest.approx(first(rivals.wilson(np.array([0.9]), np.array([size]))))
    expected = stats.binomtest(180, 200).proportion_ci(method="wilson")
    assert first(rivals.wilson(np.array([0.9]), np.array([200.0]))) == pytest.approx((expected.low, expected.high))


def test_the_interval_of_an_explained_share_is_that_of_the_jackknife() -> None:
    random = np.random.default_rng(3)
    actual = random.uniform(0, 10, 300)
    squared = random.normal(size=300) ** 2

    found = rivals.explained_shares(actual[None], squared[None])["delta method"]

    kept = [np.delete(np.arange(300), at) for at in range(300)]
    shares = np.array([1 - squared[each].sum() / ((actual[each] - actual[each].mean()) ** 2).sum() for each in kept])
    error = np.sqrt(299 / 300 * ((shares - shares.mean()) ** 2).sum())
    width = 2 * stats.t.ppf(0.975, 299) * error
    assert first(found)[1] - first(found)[0] == pytest.approx(width, rel=0.02)


@pytest.mark.parametrize("averaging", ["macro", "weighted", "micro"])
def test_influences_on_a_mean_of_areas_are_those_of_the_jackknife(averaging: str) -> None:
    random = np.random.default_rng(4)
    actual = random.choice(3, 200, p=[0.5, 0.3, 0.2])
    scores = np.eye(3)[actual] + random.normal(size=(200, 3))

    found = mean_areas(actual[None], scores[None])[averaging]

    kept = [np.delete(np.arange(200), at) for at in range(200)]
    values = np.array([mean_areas(actual[each][None], scores[each][None])[averaging].values[0] for each in kept])
    error = np.sqrt(199 / 200 * ((values - values.mean()) ** 2).sum())
    assert np.sqrt(found.variances[0]) == pytest.approx(error, rel=0.02)
