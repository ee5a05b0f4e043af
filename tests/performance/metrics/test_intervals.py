"""Confidence intervals, compared with SciPy."""

import math

import pytest
from scipy import stats

from performance.metrics.statistics.intervals import logit, student_t_quantile


@pytest.mark.parametrize(("degrees", "within"), [(2, 1e-2), (2.5, 1e-2), (5, 1e-3), (19, 1e-5), (1e6, 1e-9)])
def test_the_quantile_of_student_t_equals_that_of_scipy(degrees: float, within: float) -> None:
    assert student_t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=within)


def test_an_interval_without_degrees_of_freedom_is_from_0_to_1() -> None:
    interval = logit(0.25, 0.01, 1, "influence", 0)

    assert interval is not None
    assert (interval.lower, interval.upper) == (0, 1)


def test_the_quantile_with_infinite_degrees_of_freedom_is_normal() -> None:
    assert student_t_quantile(math.inf) == pytest.approx(stats.norm.ppf(0.975), rel=1e-15)
