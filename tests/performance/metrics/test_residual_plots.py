"""The points of residual plots, compared with NumPy's histograms and means."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance.metrics.tasks import forecasting, regression
from tests.performance.metrics.tables import EACH_EVALUATES, Evaluate, evaluate_columns

NUMBERS = (
    st.sampled_from([0.0, -0.0, 1.0, 0.1, -1e45, 1e45, 5e-324, 1e15])
    | st.integers(-9, 9).map(float)
    | st.floats(-1e45, 1e45)
    | st.floats(-10, 10)
)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=60)


def curves_of(folder: Path, actual: Any, predicted: Any, evaluate: Evaluate = regression.evaluate) -> Any:
    return evaluate_columns(evaluate, folder, {"actual": actual, "predicted": predicted}).curves


def check_histogram(histogram: list[dict[str, float]], residuals: Any) -> None:
    assert 1 <= len(histogram) <= 200
    assert sum(each["count"] for each in histogram) == len(residuals)
    assert histogram[0]["lower"] <= residuals.min() <= residuals.max() <= histogram[-1]["upper"]
    if len(histogram) == 1 and histogram[0]["lower"] == histogram[0]["upper"]:
        return
    edges = [each["lower"] for each in histogram] + [histogram[-1]["upper"]]
    assert [each["upper"] for each in histogram] == edges[1:]
    counts, _ = np.histogram(residuals, edges)
    assert [each["count"] for each in histogram] == counts.tolist()
    assert histogram[0]["count"] > 0
    assert histogram[-1]["count"] > 0


@given(pairs=PAIRS)
@EACH_EVALUATES
def test_residual_bins_equal_those_of_numpy(tmp_path: Path, pairs: list[tuple[float, float]]) -> None:
    actual, predicted = (np.array(each) for each in zip(*pairs, strict=True))

    check_histogram(curves_of(tmp_path, actual, predicted)["residual_histogram"], predicted - actual)


@pytest.mark.parametrize(
    "draw",
    [
        lambda random: random.normal(3, 2, 5000),
        lambda random: random.standard_cauchy(5000),
        lambda random: random.exponential(1e-9, 5000),
        lambda random: 1e12 + random.integers(0, 4000, 5000) / 2**13,
        lambda random: random.integers(-3, 4, 5000).astype(float),
    ],
)
def test_residual_bins_have_about_scotts_width(tmp_path: Path, draw: Callable[[np.random.Generator], Any]) -> None:
    residuals = draw(np.random.default_rng(5))
    histogram = curves_of(tmp_path, np.zeros(5000), residuals)["residual_histogram"]

    check_histogram(histogram, residuals)
    about_zero = residuals - residuals.min()  # NumPy makes no bins as fine as the numbers
    scotts = len(np.histogram_bin_edges(about_zero, "scott")) - 1
    assert 0.6 * min(scotts, 160) <= len(histogram) <= 1.5 * scotts + 2


def test_a_single_residual_has_its_own_bin(tmp_path: Path) -> None:
    for evaluate in (regression.evaluate, forecasting.evaluate):
        curves = curves_of(tmp_path, [2.0, 5.0], [2.5, 5.5], evaluate)

        assert curves["residual_histogram"] == [{"lower": 0.5, "upper": 0.5, "count": 2}]


@given(pairs=PAIRS)
@EACH_EVALUATES
def test_few_actual_values_have_one_point_each(tmp_path: Path, pairs: list[tuple[float, float]]) -> None:
    actual, predicted = (np.array(each) for each in zip(*pairs, strict=True))

    points = curves_of(tmp_path, actual, predicted)["predicted_versus_actual"]

    assert [point["actual"] for point in points] == np.unique(actual).tolist()
    for point in points:
        alike = predicted[actual == point["actual"]]
        assert point["count"] == len(alike)
        scale = np.abs(alike).max()
        assert point["predicted"] == pytest.approx(alike.mean(), rel=1e-9, abs=1e-12 * scale)


@pytest.mark.parametrize("spread", [1e-12, 1.0, 1e44])
def test_many_actual_values_share_points(tmp_path: Path, spread: float) -> None:
    random = np.random.default_rng(11)
    actual = random.normal(1, spread, 3000)
    predicted = actual + random.normal(0, spread, 3000)

    points = curves_of(tmp_path, actual, predicted)["predicted_versus_actual"]

    assert 50 < len(points) <= 200
    assert [point["actual"] for point in points] == sorted(point["actual"] for point in points)
    assert sum(point["count"] for point in points) == 3000
    for name, values in {"actual": actual, "predicted": predicted}.items():
        total = sum(point[name] * point["count"] for point in points)
        assert total == pytest.approx(values.sum(), rel=1e-9, abs=1e-9 * np.abs(values).sum())
    rising, at = np.sort(actual), 0
    for point in points:
        assert point["actual"] == pytest.approx(rising[at : at + point["count"]].mean(), rel=1e-9, abs=1e-9 * spread)
        at += point["count"]


def test_two_hundred_actual_values_have_one_point_each(tmp_path: Path) -> None:
    for distinct in (200, 201):
        actual = np.arange(1000) % distinct + 0.1
        points = curves_of(tmp_path, actual, actual)["predicted_versus_actual"]
        assert len(points) == 200 if distinct == 200 else len(points) < 200


def test_residual_plots_ignore_weights(tmp_path: Path) -> None:
    columns = {"actual": [1.0, 1.0, 2.0], "predicted": [1.0, 3.0, 2.5]}

    plain = evaluate_columns(regression.evaluate, tmp_path, columns).curves

    assert evaluate_columns(regression.evaluate, tmp_path, {**columns, "weight": [1.0, 9.0, 0.5]}).curves == plain
    assert plain["predicted_versus_actual"] == [
        {"actual": 1.0, "predicted": 2.0, "count": 2},
        {"actual": 2.0, "predicted": 2.5, "count": 1},
    ]
