"""Confidence intervals, compared with SciPy."""

import math

import pytest
from scipy import stats

from performance.metrics.statistics.intervals import logit, wilson
from performance.metrics.statistics.student_t import student_t_quantile


@pytest.mark.parametrize("degrees", [0.1, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 9, 19, 99.5, 999, 1001, 1e6])
def test_the_quantile_of_student_t_equals_that_of_scipy(degrees: float) -> None:
    assert student_t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-12)


@pytest.mark.parametrize("degrees", [0.0, -1.0, 1e-6])
def test_the_quantile_is_infinite_without_degrees_of_freedom(degrees: float) -> None:
    assert student_t_quantile(degrees) == math.inf


def test_an_interval_without_degrees_of_freedom_is_from_0_to_1() -> None:
    interval = logit(0.25, 0.01, 1, "influence", 0)

    assert interval is not None
    assert (interval.lower, interval.upper) == (0, 1)


def test_the_quantile_with_infinite_degrees_of_freedom_is_normal() -> None:
    assert student_t_quantile(math.inf) == pytest.approx(stats.norm.ppf(0.975), rel=1e-15)


def test_a_precision_of_a_tenth_is_seldom_overestimated() -> None:
    """30 examples of which half are predicted as positive, and a tenth of those rightly: of 15, four may be right."""
    beyond = 0.0
    for predicted in range(1, 31):
        for right in range(predicted + 1):
            interval = wilson(right / predicted, predicted)
            assert interval is not None
            if interval.lower > 0.1:
                beyond += stats.binom.pmf(predicted, 30, 0.5) * stats.binom.pmf(right, predicted, 0.1)

    assert beyond <= 0.04
