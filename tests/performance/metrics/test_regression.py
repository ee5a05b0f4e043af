"""Evaluation of regression, compared with scikit-learn on the fixtures and on random predictions."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from models_registry import task_types
from performance.metrics.result import UnprocessablePredictionsError
from performance.metrics.tasks import forecasting, regression
from tests.performance.metrics.tables import EACH_EVALUATES, evaluate_columns, evaluate_file

FIXTURES = Path(__file__).parents[3] / "fixtures"
MEASURED = [
    (FIXTURES / snapshot["predictions"], snapshot)
    for model in json.loads((FIXTURES / "seed.json").read_text())["models"]
    if model["task_type"] == "regression"
    for version in model["versions"]
    for snapshot in version["snapshots"]
]


def test_evaluations_of_the_fixtures_equal_their_snapshots(tmp_path: Path) -> None:
    assert len(MEASURED) == 11
    for file, snapshot in MEASURED:
        found = evaluate_file(regression.evaluate, file)
        for name, value in snapshot["metrics"].items():
            assert found.metrics[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 1e-300, 1e6]) | st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


@st.composite
def predictions(draw: st.DrawFn) -> dict[str, Any]:
    pairs = draw(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=40))
    columns: dict[str, Any] = {"actual": [one for one, _ in pairs], "predicted": [other for _, other in pairs]}
    if draw(st.booleans()):
        columns["predicted"] = columns["actual"] if draw(st.booleans()) else [columns["actual"][0]] * len(pairs)
    if draw(st.booleans()):
        columns["weight"] = draw(st.lists(st.floats(0.01, 10), min_size=len(pairs), max_size=len(pairs)))
    return columns


METRICS: dict[str, Callable[..., float]] = {
    "mae": sk.mean_absolute_error,
    "rmse": sk.root_mean_squared_error,
    "mape": sk.mean_absolute_percentage_error,
    "median_absolute_error": sk.median_absolute_error,
    "r_squared": sk.r2_score,
    "explained_variance": sk.explained_variance_score,
}


@given(columns=predictions())
@EACH_EVALUATES
def test_every_metric_equals_that_of_scikit_learn(tmp_path: Path, columns: dict[str, Any]) -> None:
    found = evaluate_columns(regression.evaluate, tmp_path, columns)
    actual, predicted, weights = columns["actual"], columns["predicted"], columns.get("weight")
    scale = max(map(abs, actual + predicted)) or 1.0
    for name, metric in METRICS.items():
        expected = metric(actual, predicted, sample_weight=weights)
        tolerance = 1e-9 * (scale if name in {"mae", "rmse", "median_absolute_error"} else 1)
        assert found.metrics[name] == pytest.approx(expected, rel=1e-9, abs=tolerance), name
    assert found.metrics["max_error"] == pytest.approx(sk.max_error(actual, predicted), rel=1e-12)
    for name, interval in found.confidence_intervals.items():
        value = found.metrics[name]
        assert value is not None
        slack = 1e-9 * max(1.0, abs(value))
        assert interval.lower - slack <= value <= interval.upper + slack, name


def test_shares_explained_of_one_example_are_undefined(tmp_path: Path) -> None:
    found = evaluate_columns(regression.evaluate, tmp_path, {"actual": [5.0], "predicted": [4.0]})

    assert found.metrics["r_squared"] is None
    assert found.metrics_unavailable == dict.fromkeys(
        ("r_squared", "explained_variance"), "It needs at least two examples."
    )


def test_examples_of_weight_0_count_for_nothing(tmp_path: Path) -> None:
    columns = {"actual": [1.0, 1.0, 2.0], "predicted": [2.0, 1.5, 2.2], "weight": [0.0, 1.0, 1.0]}

    found = evaluate_columns(regression.evaluate, tmp_path, columns)

    assert found.metrics["max_error"] == 0.5
    assert (found.rows, found.sample_count) == (3, 2)
    assert len(found.residuals) == 2


@pytest.mark.parametrize("column", ["actual", "predicted", "weight"])
@pytest.mark.parametrize("value", [1e46, -1e308])
def test_numbers_whose_squares_overflow_are_refused_with_their_row(tmp_path: Path, column: str, value: float) -> None:
    columns = {"actual": [1.0, 2.0], "predicted": [1.0, 2.0], "weight": [1.0, 1.0]}
    columns[column] = [1.0, value]

    with pytest.raises(UnprocessablePredictionsError, match=f"Row 2 .*'{column}'") as refused:
        evaluate_columns(regression.evaluate, tmp_path, columns)

    assert (refused.value.row, refused.value.column) == (2, column)


MAGNITUDES = st.sampled_from([0.0, 1e-323, 1e-300, -1e-160, 1.0, -1e45, 1e45])


@given(rows=st.lists(st.tuples(MAGNITUDES, MAGNITUDES, MAGNITUDES.map(abs)), min_size=1, max_size=20))
@EACH_EVALUATES
def test_metrics_of_accepted_numbers_are_finite(tmp_path: Path, rows: list[tuple[float, float, float]]) -> None:
    actual, predicted, weight = zip(*rows, strict=True)
    columns: dict[str, Any] = {"actual": actual, "predicted": predicted, "scale": [1e-44] * len(rows)}
    if any(weight):
        columns["weight"] = weight
    for evaluate, name in ((regression.evaluate, "regression"), (forecasting.evaluate, "forecasting")):
        found = evaluate_columns(evaluate, tmp_path, columns)

        task_types.get(name).clean(found.metrics, further=True)
        json.dumps(asdict(found), allow_nan=False)


@pytest.mark.parametrize("name", ["id", "first", "second", "third", "error"])
def test_extra_columns_with_any_name_are_ignored(tmp_path: Path, name: str) -> None:
    columns = {"actual": [1.0, 2.0, 3.0], "predicted": [1.5, 5.0, 2.0]}

    assert evaluate_columns(regression.evaluate, tmp_path, {**columns, name: [9.0, 1.0, 5.0]}) == (
        evaluate_columns(regression.evaluate, tmp_path, columns)
    )


@pytest.mark.parametrize(
    ("columns", "reason", "row"),
    [
        ({"actual": [], "predicted": []}, "no row", None),
        ({"actual": [1.0, math.nan], "predicted": [1.0, 1.0]}, "no finite number", 2),
        ({"actual": [1.0, 2.0], "predicted": [math.inf, 1.0]}, "no finite number", 1),
        ({"actual": [1.0, 2.0], "predicted": [1.0, None]}, "no prediction", 2),
        ({"actual": ["1", "x"], "predicted": [1.0, 1.0]}, "no finite number", 2),
        ({"actual": [1.0], "predicted": [1.0], "weight": [0.0]}, "above 0", None),
        ({"actual": [1.0, 2.0], "predicted": [1.0, 2.0], "group": ["a", None]}, "no group", 2),
        ({"actual": [1.0, 2.0], "predicted": [1.0, 2.0], "group": [math.nan, 1.0]}, "no group", 1),
        ({"actual": [1.0]}, "no column 'predicted'", None),
    ],
)
def test_a_row_that_cannot_be_scored_is_refused_with_its_number(
    tmp_path: Path, columns: dict[str, Any], reason: str, row: int | None
) -> None:
    with pytest.raises(UnprocessablePredictionsError, match=reason) as refused:
        evaluate_columns(regression.evaluate, tmp_path, columns)

    assert refused.value.row == row
