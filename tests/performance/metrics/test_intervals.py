"""Intervals, against SciPy."""

import math

import pytest
from scipy import stats

from performance.metrics.statistics.intervals import logit, student_t_quantile


@pytest.mark.parametrize(("degrees", "within"), [(2, 1e-2), (2.5, 1e-2), (5, 1e-3), (19, 1e-5), (1e6, 1e-9)])
def test_few_degrees_of_freedom_reach_as_far_as_students_t(degrees: float, within: float) -> None:
    assert student_t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=within)


def test_no_degree_of_freedom_leaves_everything_open() -> None:
    interval = logit(0.25, 0.01, 1, "influence", 0)

    assert interval is not None
    assert (interval.lower, interval.upper) == (0, 1)


def test_all_degrees_of_freedom_are_those_of_the_normal_distribution() -> None:
    assert student_t_quantile(math.inf) == pytest.approx(stats.norm.ppf(0.975), rel=1e-15)
