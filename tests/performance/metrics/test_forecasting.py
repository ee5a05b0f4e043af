"""Evaluation of forecasts, compared with plain arithmetic."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from models_registry import task_types
from performance.metrics.result import UnprocessablePredictionsError
from performance.metrics.tasks import forecasting
from tests.performance.metrics.tables import evaluate_columns

NUMBERS = st.sampled_from([0.0, 1.0, -1.0]) | st.floats(-1e3, 1e3).map(lambda value: round(value, 4))


@st.composite
def forecasts(draw: st.DrawFn) -> dict[str, Any]:
    """Rows of several series, each with its scale."""
    rows = draw(st.lists(st.tuples(st.sampled_from("abc"), NUMBERS, NUMBERS), min_size=1, max_size=40))
    scales = {name: draw(st.sampled_from([0.5, 1.0, 3.0])) for name in "abc"}
    columns = {
        "series_id": [name for name, _, _ in rows],
        "actual": [actual for _, actual, _ in rows],
        "predicted": [predicted for _, _, predicted in rows],
        "scale": [scales[name] for name, _, _ in rows],
        "horizon": [at % 3 + 1 for at in range(len(rows))],
    }
    if draw(st.booleans()):
        columns["weight"] = draw(st.lists(st.floats(0.1, 10), min_size=len(rows), max_size=len(rows)))
    return columns


@given(columns=forecasts())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_every_forecasting_metric_equals_its_definition(tmp_path: Path, columns: dict[str, Any]) -> None:
    found = evaluate_columns(forecasting.evaluate, tmp_path, columns)
    actual, predicted = np.array(columns["actual"]), np.array(columns["predicted"])
    series, weights = np.array(columns["series_id"]), np.array(columns.get("weight", np.ones(len(actual))))
    errors, both = np.abs(actual - predicted), np.abs(actual) + np.abs(predicted)
    symmetric = np.divide(2 * errors, both, out=np.zeros_like(errors), where=both > 0)
    scaled = [
        np.average(errors[series == name], weights=weights[series == name]) / columns["scale"][list(series).index(name)]
        for name in set(series)
    ]
    expected = {
        "mae": sk.mean_absolute_error(actual, predicted, sample_weight=weights),
        "rmse": sk.root_mean_squared_error(actual, predicted, sample_weight=weights),
        "smape": np.average(symmetric, weights=weights),
        "mase": np.mean(scaled),
    }
    for name, value in expected.items():
        assert found.metrics[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name
    total = (weights * np.abs(actual)).sum()
    if total:
        assert found.metrics["wape"] == pytest.approx((weights * errors).sum() / total, rel=1e-9)
    else:
        assert found.metrics["wape"] is None
    for step, values in found.per_class.items():
        at = np.array(columns["horizon"]) == int(step)
        assert values["mae"] == pytest.approx(np.average(errors[at], weights=weights[at]), rel=1e-9, abs=1e-9)
        assert values["support"] == at.sum()


def test_the_declared_forecasting_example_has_the_declared_values(tmp_path: Path) -> None:
    task_type = task_types.get("forecasting")
    given_numbers: Any = task_type.metrics[0].example.given
    training, season = np.array(given_numbers["training"]), given_numbers["season"]
    scale = np.abs(training[season:] - training[:-season]).mean()
    rows = len(given_numbers["actual"])
    columns = {"actual": given_numbers["actual"], "predicted": given_numbers["predicted"], "scale": [scale] * rows}

    found = evaluate_columns(forecasting.evaluate, tmp_path, columns)

    for metric in task_type.metrics:
        assert found.metrics[metric.name] == pytest.approx(metric.example.value, rel=1e-12)


def test_series_are_the_units_of_forecasting_intervals(tmp_path: Path) -> None:
    errors = np.repeat([1.0, 2.0, 3.0, 4.0], 100)  # as good as four examples
    columns = {"actual": errors * 0, "predicted": errors}

    of_rows = evaluate_columns(forecasting.evaluate, tmp_path, columns).confidence_intervals["mae"]
    of_series = evaluate_columns(forecasting.evaluate, tmp_path, {**columns, "series_id": errors}).confidence_intervals[
        "mae"
    ]

    assert of_series.upper - of_series.lower > 5 * (of_rows.upper - of_rows.lower)


@pytest.mark.parametrize("several", [False, True])
def test_the_wape_interval_is_that_of_a_ratio_of_two_sums(tmp_path: Path, several: bool) -> None:
    random = np.random.default_rng(3)
    series = random.integers(0, 30, 300)
    actual = random.normal(20, 5, 300)
    predicted = actual + random.normal(series / 10, 2)
    columns = {"actual": actual, "predicted": predicted}

    found = evaluate_columns(forecasting.evaluate, tmp_path, {**columns, "series_id": series} if several else columns)

    errors, sizes = np.abs(predicted - actual), np.abs(actual)
    weight = np.ones(300)
    if several:
        errors, sizes, weight = (
            np.array([each[series == one].sum() for one in range(30)]) for each in (errors, sizes, weight)
        )
    ratio = errors.sum() / sizes.sum()
    size = weight.sum() ** 2 / (weight**2).sum()
    half = 1.959963984540054 * math.sqrt((((errors - ratio * sizes) / sizes.sum()) ** 2).sum() * size / (size - 1))
    interval = found.confidence_intervals["wape"]
    assert (interval.lower, interval.upper) == pytest.approx((ratio - half, ratio + half))


@pytest.mark.parametrize("scale", [[1.0, 2.0], [0.0, 0.0], [None, 1.0], [math.inf, math.inf], [1e-300, 1e-300]])
def test_a_series_with_an_invalid_or_varying_scale_is_refused(tmp_path: Path, scale: list[Any]) -> None:
    with pytest.raises(UnprocessablePredictionsError, match="one value of 'scale' above 0"):
        evaluate_columns(
            forecasting.evaluate, tmp_path, {"actual": [1.0, 2.0], "predicted": [1.0, 1.0], "scale": scale}
        )


def test_the_mase_interval_of_one_series_is_its_scaled_mae_interval(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    columns = {"actual": random.normal(0, 1, 50), "predicted": random.normal(0, 1, 50), "scale": [2.5] * 50}

    intervals = evaluate_columns(forecasting.evaluate, tmp_path, columns).confidence_intervals

    assert intervals["mase"].lower == intervals["mae"].lower / 2.5
    assert intervals["mase"].upper == intervals["mae"].upper / 2.5


def test_every_metric_has_an_interval(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    columns = {"actual": random.normal(0, 1, 50), "predicted": random.normal(0, 1, 50), "scale": [2.5] * 50}
    declared = {metric.name for metric in task_types.get("forecasting").all_metrics}
    for series in ([0] * 50, range(50), [0, 1] * 25):
        found = evaluate_columns(forecasting.evaluate, tmp_path, {**columns, "series_id": series})
        assert set(found.confidence_intervals) == declared


@pytest.mark.parametrize("steps", [[1, 2, 2], [1.0, 2.0, 2.0], ["1", " 2", "2.0"]])
def test_horizons_may_be_numbers_of_any_type(tmp_path: Path, steps: list[Any]) -> None:
    columns = {"actual": [1.0, 2.0, 3.0], "predicted": [1.0, 1.0, 1.0], "horizon": steps}

    found = evaluate_columns(forecasting.evaluate, tmp_path, columns)

    assert {step: values["mae"] for step, values in found.per_class.items()} == {"1": 0.0, "2": 1.5}


@pytest.mark.parametrize("horizon", [1.5, None, math.nan, math.inf, 1e300, "soon"])
def test_a_fractional_or_missing_horizon_is_refused_with_its_row(tmp_path: Path, horizon: Any) -> None:
    horizons = ["1", "1", horizon] if isinstance(horizon, str) else [1.0, 1.0, horizon]
    columns = {"actual": [1.0] * 3, "predicted": [1.0, None, 1.0], "horizon": horizons}

    with pytest.raises(UnprocessablePredictionsError, match="Row 3 has no whole number in the column 'horizon'"):
        evaluate_columns(forecasting.evaluate, tmp_path, columns, allow_missing=True)


def test_a_row_without_prediction_needs_no_horizon(tmp_path: Path) -> None:
    columns = {"actual": [1.0, 2.0], "predicted": [1.0, None], "horizon": [3, None]}

    assert set(evaluate_columns(forecasting.evaluate, tmp_path, columns, allow_missing=True).per_class) == {"3"}


def test_more_than_a_thousand_horizons_are_refused(tmp_path: Path) -> None:
    rows = forecasting.MAX_HORIZONS + 1
    columns = {"actual": [1.0] * rows, "predicted": [1.0] * rows, "horizon": range(rows)}

    with pytest.raises(UnprocessablePredictionsError, match="more than 1,000 horizons") as refused:
        evaluate_columns(forecasting.evaluate, tmp_path, columns)

    assert refused.value.column == "horizon"


def test_mase_is_undefined_without_scales(tmp_path: Path) -> None:
    assert (
        evaluate_columns(forecasting.evaluate, tmp_path, {"actual": [1.0], "predicted": [2.0]}).metrics["mase"] is None
    )
