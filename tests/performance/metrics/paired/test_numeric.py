"""Paired intervals of regression, forecasting and ranking, compared with the jackknife."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t
from sklearn import metrics as sk

from performance.metrics.result import UnprocessablePredictionsError
from performance.metrics.tasks import ranking
from performance.metrics.tasks.evaluators import EVALUATORS
from tests.performance.metrics.augmented import augmented_t
from tests.performance.metrics.paired.pairs import (
    Metric,
    Numbers,
    compare,
    difference_slopes,
    ids,
    tables,
)
from tests.performance.metrics.tables import evaluate_columns


def scores_by_jackknife(metric: Metric, actual: Any, newer: Any, older: Any, weights: Numbers) -> Numbers:
    """Return what each example contributes to a metric's difference, with numerical derivatives.

    Their weighted mean is the difference. Efron (1982), The jackknife, the bootstrap and other resampling plans,
    chapter 6.
    """

    difference = metric(actual, newer, weights) - metric(actual, older, weights)
    return difference_slopes(metric, actual, newer, older, weights) + difference


def test_paired_intervals_of_regression_follow_from_the_jackknife(
    tmp_path: Path, numbers: list[dict[str, Any]]
) -> None:
    actual, weights = np.array(numbers[0]["actual"]), np.array(numbers[0]["weight"])
    newer, older = np.array(numbers[0]["predicted"]), np.array(numbers[1]["predicted"])[::-1]
    found = compare(tmp_path, "regression", numbers)

    def ratio(above: Any, below: Any, weights: Numbers) -> float:
        return float(weights @ above / (weights @ below))

    def unexplained(error: Any, actual: Any, weights: Numbers) -> float:
        return ratio(error**2, (actual - ratio(actual, np.ones(len(actual)), weights)) ** 2, weights)

    one = np.ones(len(actual))
    metrics: dict[str, Metric] = {
        "rmse": lambda y, p, w: math.sqrt(ratio((p - y) ** 2, one, w)),
        "mae": lambda y, p, w: ratio(abs(p - y), one, w),
        "mape": lambda y, p, w: ratio(abs((p - y) / y), one, w),
        "r_squared": lambda y, p, w: 1 - unexplained(p - y, y, w),
        "explained_variance": lambda y, p, w: 1 - unexplained(p - y - ratio(p - y, one, w), y, w),
        "bias": lambda y, p, w: ratio(p - y, one, w),
        "wape": lambda y, p, w: ratio(abs(p - y), abs(y), w),
        "smape": lambda y, p, w: ratio(2 * abs(p - y) / (abs(p) + abs(y)), one, w),
    }
    for name, function in {
        "rmse": sk.root_mean_squared_error,
        "mae": sk.mean_absolute_error,
        "mape": sk.mean_absolute_percentage_error,
        "r_squared": sk.r2_score,
        "explained_variance": sk.explained_variance_score,
    }.items():
        assert metrics[name](actual, newer, weights) == pytest.approx(function(actual, newer, sample_weight=weights))
    assert set(found) == set(metrics)
    for name, metric in metrics.items():
        scores = scores_by_jackknife(metric, actual, newer, older, weights)
        ahead = {"rmse": 3, "r_squared": 5, "explained_variance": 5}.get(name, 2)
        ends = augmented_t(scores, weights, ahead, ahead)
        assert (found[name].lower, found[name].upper) == pytest.approx(ends, rel=1e-5), name
        assert found[name].method == "paired_augmented_t"


@pytest.mark.parametrize("grouped", [False, True])
def test_of_several_series_or_groups_each_is_one_draw(
    tmp_path: Path, seeded: np.random.Generator, grouped: bool
) -> None:
    series = np.repeat(np.arange(24), 10)
    actual = seeded.normal(50, 5, 240)
    hard = np.repeat(seeded.uniform(2, 4, 24), 10)
    unit = series // 2 if grouped else series
    extra = {"series_id": series, "scale": 1.0 + series % 2, **({"group": unit} if grouped else {})}
    versions = [{"predicted": actual + hard * factor + seeded.normal(0, 1, 240), **extra} for factor in (1, 1.2)]
    found = compare(tmp_path, "forecasting", tables(actual, *versions))

    apart = abs(versions[0]["predicted"] - actual) - abs(versions[1]["predicted"] - actual)
    for name, scores in {"mae": apart, "mase": apart / extra["scale"]}.items():
        of_units = np.array([scores[unit == one].mean() for one in np.unique(unit)])
        ends = augmented_t(of_units, np.ones(len(of_units)), 2, 2)
        assert (found[name].lower, found[name].upper) == pytest.approx(ends), name


@pytest.mark.parametrize("unlike", [False, True])
def test_differences_of_series_of_different_scale_have_no_interval(
    tmp_path: Path, seeded: np.random.Generator, unlike: bool
) -> None:
    """The differences of all series are alike, but those of series with large errors may not be."""
    series = np.repeat(np.arange(12), 10)
    scale, actual = (3.0 ** (np.arange(12) % 4) if unlike else np.full(12, 9.0))[series], seeded.normal(500, 5, 120)
    error = scale * np.tile([1.0, -1.0], 60)
    further = np.sign(error) * (0.4 + seeded.normal(0, 0.1, 12)[series])
    versions = [{"predicted": actual + each, "series_id": series, "scale": scale} for each in (error + further, error)]

    found = compare(tmp_path, "forecasting", tables(actual, *versions))

    assert {"mae", "rmse", "wape"} & set(found) == (set() if unlike else {"mae", "rmse", "wape"})


def test_forecasts_of_one_series_have_no_paired_interval(tmp_path: Path, seeded: np.random.Generator) -> None:
    actual = seeded.normal(50, 5, 100)
    versions = [{"predicted": actual + seeded.normal(0, 1, 100)} for _ in range(2)]

    assert not compare(tmp_path, "forecasting", tables(actual, *versions))
    assert compare(tmp_path, "regression", tables(actual, *versions))


@pytest.mark.parametrize("grouped", [False, True])
def test_large_errors_that_cancel_leave_no_interval_of_squared_errors(
    tmp_path: Path, seeded: np.random.Generator, grouped: bool
) -> None:
    actual = seeded.normal(50, 5, 100)
    normal = seeded.normal(size=(2, 100))
    heavy = normal.copy()
    heavy[0, 7] = heavy[1, 8] = 9.0  # the difference of their squares is hardly skewed
    squares = {"rmse", "r_squared", "explained_variance"}
    group = {"group": np.arange(100) // 2} if grouped else {}

    of_normal, of_heavy = (
        set(
            compare(tmp_path, "regression", tables(actual, *({"predicted": actual + each, **group} for each in errors)))
        )
        for errors in (normal, heavy)
    )

    assert squares < of_normal
    assert not squares & of_heavy
    assert "mae" in of_heavy


def test_other_groups_are_not_paired(tmp_path: Path) -> None:
    table = {"example_id": ids(40), "actual": range(40), "predicted": np.arange(40) * 1.1, "group": np.arange(40) // 2}

    assert compare(tmp_path, "regression", [table, table])
    assert not compare(tmp_path, "regression", [table, {**table, "group": np.arange(40) // 4}])


def test_rankings_are_paired_by_query(tmp_path: Path, seeded: np.random.Generator) -> None:
    queries = np.repeat(np.arange(150), 8)
    relevance = seeded.integers(0, 3, 1200)
    versions = [
        {"query_id": queries, "relevance": relevance, "score": relevance + seeded.normal(0, noise, 1200)}
        for noise in (0.5, 2.0)
    ]
    found = compare(tmp_path, "ranking", versions)

    assert set(found) == set(ranking.METRICS)
    evaluated = [evaluate_columns(EVALUATORS["ranking"], tmp_path, each) for each in versions]
    for name, interval in found.items():
        difference = float(evaluated[0].metrics[name] or 0) - float(evaluated[1].metrics[name] or 0)
        assert interval.lower < difference < interval.upper
    by_query = [
        [float(sk.ndcg_score([relevance[queries == query]], [each["score"][queries == query]])) for query in range(150)]
        for each in versions
    ]
    ends = bounded_t(np.subtract(by_query[0], by_query[1]))
    assert (found["ndcg"].lower, found["ndcg"].upper) == pytest.approx(ends)
    assert (found["recall_at_k"].lower, found["recall_at_k"].upper) == pytest.approx(bounded_t(np.zeros(150)))


def bounded_t(differences: Any) -> tuple[float, float]:
    """Return Student's interval of a mean of differences, after adding three halves of one at -1 and at 1."""
    values, weight = np.append(differences, [-1, 1]), np.append(np.ones(len(differences)), [1.5, 1.5])
    size = weight.sum()
    error = np.sqrt(np.cov(values, aweights=weight, ddof=0) / (size - 1))
    mean, margin = np.average(values, weights=weight), t.ppf(0.975, size - 1) * error
    return mean - margin, mean + margin


def test_few_differences_of_rankings_have_an_interval_and_few_queries_have_none(tmp_path: Path) -> None:
    def version(swapped: int, queries: int) -> dict[str, Any]:
        relevant_first = np.tile([[2.0, 1.0]], (queries, 1))
        relevant_first[:swapped] = [1.0, 2.0]
        of_query = np.repeat(np.arange(queries), 2)
        return {"query_id": of_query, "relevance": [1, 0] * queries, "score": relevant_first.ravel()}

    found = compare(tmp_path, "ranking", [version(1, 40), version(0, 40)])["mrr"]

    assert (found.lower, found.upper) == pytest.approx(bounded_t(np.append(-0.5, np.zeros(39))))
    assert not compare(tmp_path, "ranking", [version(1, 19), version(0, 19)])


def test_rankings_of_grouped_queries_are_paired_by_group(tmp_path: Path, seeded: np.random.Generator) -> None:
    queries = np.repeat(np.arange(120), 8)
    relevance = seeded.integers(0, 3, 960)
    versions = [
        {
            "query_id": queries,
            "relevance": relevance,
            "score": relevance + seeded.normal(0, noise, 960),
            "group": queries // 4,
        }
        for noise in (0.5, 2.0)
    ]
    found = compare(tmp_path, "ranking", versions)["ndcg"]

    by_query = [
        [float(sk.ndcg_score([relevance[queries == query]], [each["score"][queries == query]])) for query in range(120)]
        for each in versions
    ]
    of_groups = np.subtract(by_query[0], by_query[1]).reshape(30, 4).mean(axis=1)
    assert (found.lower, found.upper) == pytest.approx(augmented_t(of_groups, np.ones(30), 2, 2))


def test_equal_rankings_do_not_differ(tmp_path: Path) -> None:
    table = {"query_id": [1, 1, 2], "relevance": [1, 0, 1], "score": [0.5, 0.4, 0.3]}

    found = compare(tmp_path, "ranking", [table, table])

    assert {(each.lower, each.upper, each.method) for each in found.values()} == {(0, 0, "identical")}
    assert set(found) == {"map", "mrr", "ndcg", "precision_at_k", "recall_at_k"}


@pytest.mark.parametrize(
    "change",
    [
        {"query_id": [1, 1, 3]},
        {"relevance": [1, 0, 0]},
        {"query_id": [1, 1, 2, 2], "relevance": [1, 0, 1, 0], "score": [0.5, 0.4, 0.3, 0.2]},
    ],
)
def test_other_queries_or_other_relevance_are_not_paired(tmp_path: Path, change: dict[str, Any]) -> None:
    table = {"query_id": [1, 1, 2], "relevance": [1, 0, 1], "score": [0.5, 0.4, 0.3]}

    assert compare(tmp_path, "ranking", [table, table])
    assert not compare(tmp_path, "ranking", [table, {**table, **change}])


def test_a_constant_target_has_no_share_explained(tmp_path: Path) -> None:
    predicted = 1 + np.arange(30) / 30
    tables = [{"example_id": ids(30), "actual": [1.0] * 30, "predicted": each} for each in (predicted, [1.0] * 30)]

    found = compare(tmp_path, "regression", tables)

    assert "r_squared" not in found
    assert "rmse" not in found  # one is 0, near which the root is not straight
    assert found["mae"].lower < predicted.mean() - 1 < found["mae"].upper


@pytest.mark.parametrize("large", [1e150, 1e300])
def test_numbers_near_the_end_of_a_double_give_finite_intervals_or_none(tmp_path: Path, large: float) -> None:
    tables = [
        {"example_id": ids(3), "actual": [large, -large, 0.0], "predicted": each}
        for each in ([large, 0, 1], [0, large, 2])
    ]

    try:
        found = compare(tmp_path, "regression", tables)
    except UnprocessablePredictionsError:
        return
    assert all(math.isfinite(each.lower) and math.isfinite(each.upper) for each in found.values())
