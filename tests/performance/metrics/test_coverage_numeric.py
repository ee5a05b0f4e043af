"""Whether the intervals of numbers, forecasts and rankings hold, by simulation with fixed seeds.

This is a part of what `tests.benchmarks.coverage` simulates. The first test evaluates predictions by the engine, and
shows that the sums which the others take by NumPy are the same.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from performance.metrics.result import Evaluation
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import Interval
from performance.metrics.tasks import forecasting, ranking, regression
from tests.benchmarks.coverage_grid import forecasting as forecasting_grid
from tests.benchmarks.coverage_grid import paired_group_means as paired_means
from tests.benchmarks.coverage_grid import ranking as ranking_grid
from tests.benchmarks.coverage_grid import regression as regression_grid
from tests.benchmarks.coverage_grid.paired_groups import Shape
from tests.benchmarks.coverage_grid.tally import Tallies
from tests.performance.metrics.paired.pairs import compare, tables
from tests.performance.metrics.tables import evaluate_columns

SAMPLES = 200
OF_ERRORS = [each for each in paired_means.MEANS if each.errors]

pytestmark = pytest.mark.once


def assert_same(found: Evaluation, summed: Mapping[str, Estimate]) -> None:
    """Compare the intervals, or why there are none. What is named in their place must have one."""
    for name, each in summed.items():
        if each.interval is None:
            reason, _, alternatives = found.intervals_unavailable[name].partition(" Use ")
            assert reason == each.reason
            assert set(re.findall(r"`(\w+)`", alternatives)) <= set(found.confidence_intervals)
        else:
            ends = found.confidence_intervals[name].lower, found.confidence_intervals[name].upper
            assert ends == pytest.approx((each.interval.lower, each.interval.upper), rel=1e-9), name


@pytest.mark.parametrize("kind", regression_grid.ERRORS)
@pytest.mark.parametrize("grouped", [False, True])
def test_sums_of_the_engine_give_the_intervals_of_sums_by_numpy(tmp_path: Path, grouped: bool, kind: str) -> None:
    random = np.random.default_rng(1)
    group = np.arange(600) // 10
    error, actual = regression_grid.draw(random, kind, 600), regression_grid.draw_actual(random, kind, 600)
    columns = {"actual": actual, "predicted": actual + error, **({"group": group} if grouped else {})}

    found = evaluate_columns(regression.evaluate, tmp_path, columns)

    assert_same(found, regression_grid.losses_of(actual, error, group if grouped else None).estimates())


def test_sums_of_series_give_the_intervals_of_sums_by_numpy(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    error = forecasting_grid.draw(random, 40, 0.8)
    actual = forecasting_grid.LEVEL + random.normal(size=error.shape)
    columns = {
        "actual": actual.ravel(),
        "predicted": (actual + error).ravel(),
        "series_id": np.repeat(np.arange(40), forecasting_grid.STEPS),
    }

    found = evaluate_columns(forecasting.evaluate, tmp_path, columns)

    assert "mae" in found.confidence_intervals
    assert_same(found, forecasting_grid.losses_of(actual, error).estimates())


def test_grouped_queries_have_the_intervals_of_sums_by_numpy(tmp_path: Path) -> None:
    """The only relevant item of each query is found or not, so its recall is 0 or 1."""
    setting = ranking_grid.GroupedQueries(20, 15, 0.2, 0.9)
    values = setting.draw(np.random.default_rng(1), 1)
    columns = {
        "query_id": np.arange(300).repeat(2),
        "group": np.arange(20).repeat(30),
        "relevance": np.tile([1, 0], 300),
        "score": np.stack([values.ravel(), np.full(300, 0.5)], axis=1).ravel(),
    }

    found = evaluate_columns(ranking.evaluate, tmp_path, columns, k=1).confidence_intervals["recall_at_k"]

    [expected] = ranking_grid.grouped_intervals(values)
    assert expected is not None
    assert (found.lower, found.upper) == pytest.approx((expected.lower, expected.upper))


def check_differences(kind: str, found: dict[str, Interval], expect: Callable[[str], Interval | None]) -> None:
    """Compare all differences with those of the grid. Only normal errors have some of squared errors."""
    for name in regression_grid.DIFFERENCES:
        expected = expect(name)
        assert (name in found) == (expected is not None), name
        if expected is not None:
            assert (found[name].lower, found[name].upper) == pytest.approx((expected.lower, expected.upper)), name
    squares = {"rmse", "r_squared", "explained_variance"}
    assert squares & set(found) == (squares if kind == "normal" else set())


@pytest.mark.parametrize("kind", regression_grid.ERRORS)
def test_differences_of_errors_have_the_intervals_of_sums_by_numpy(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(1)
    newer, older = regression_grid.correlated(random, kind, 300, 0.5)
    newer, actual = 1.15 * newer, regression_grid.draw_actual(random, kind, 300)

    found = compare(tmp_path, "regression", tables(actual, *({"predicted": actual + each} for each in (newer, older))))

    check_differences(kind, found, lambda name: regression_grid.difference(name, newer, older, actual))


@pytest.mark.parametrize("kind", regression_grid.ERRORS)
def test_differences_of_grouped_errors_have_the_intervals_of_sums_by_numpy(tmp_path: Path, kind: str) -> None:
    shape = Shape(100, 6, 0.2)
    drawn = paired_means.errors(kind, 1.15, np.random.default_rng(1), shape, 0.5, 1)
    newer, older, actual = (each[0] for each in drawn)
    group = np.arange(100).repeat(6)

    found = compare(
        tmp_path,
        "regression",
        tables(actual.ravel(), *({"predicted": (actual + each).ravel(), "group": group} for each in (newer, older))),
    )

    check_differences(kind, found, lambda name: paired_means.difference_of_errors(name, newer, older, actual))


@pytest.mark.parametrize(
    "tallies",
    [
        lambda: regression_grid.errors(SAMPLES, sizes=(30, 100)),
        lambda: regression_grid.groups(SAMPLES, count=30, of_each=12),
        lambda: regression_grid.differences(SAMPLES, sizes=(100,)),
        lambda: paired_means.means([paired_means.GROUPED_MEANS[11]], SAMPLES, compared=OF_ERRORS),
        lambda: forecasting_grid.series(SAMPLES, counts=(2, 5, 10)),
        lambda: forecasting_grid.unlike_series(SAMPLES, counts=(5,)),
        lambda: forecasting_grid.differences(SAMPLES, counts=(5,), worse=1.5, spread=1.0),
        lambda: ranking_grid.queries(SAMPLES),
        lambda: ranking_grid.groups(ranking_grid.GROUPED[::4], SAMPLES),
        lambda: ranking_grid.differences(SAMPLES, sizes=(30, 100)),
    ],
)
def test_unfavourable_ends_are_rarely_beyond_the_truth(tallies: Callable[[], Tallies]) -> None:
    for tally in tallies():
        assert tally.false_passes <= 0.04 + 3 * np.sqrt(0.04 * 0.96 / SAMPLES), (
            tally.setting,
            tally.metric,
            tally.size,
        )
        often = tally.given > 1 / 4  # if few samples have an interval, they are unlike others
        assert not often or tally.cover >= 0.92 - 3 * np.sqrt(0.92 * 0.08 / (tally.given * SAMPLES)), (
            tally.setting,
            tally.metric,
        )
