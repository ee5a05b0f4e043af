"""Evaluation of forecasts, compared with plain arithmetic."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from models_registry import task_types
from performance.metrics.result import UnprocessablePredictionsError
from performance.metrics.tasks import forecasting
from tests.performance.metrics.augmented import augmented_t
from tests.performance.metrics.tables import EACH_EVALUATES, evaluate_columns

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
@EACH_EVALUATES
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


def of_series(random: np.random.Generator, series: int, steps: int = 10) -> dict[str, Any]:
    """Return forecasts of series whose errors are of different sizes."""
    name = np.repeat(np.arange(series), steps)
    actual = random.normal(20, 3, series * steps)
    return {
        "series_id": [f"s{each}" for each in name],
        "actual": actual,
        "predicted": actual + random.normal(0, 1 + name / series),
        "scale": 1.0 + name % 3,
    }


@pytest.mark.parametrize("grouped", [False, True])
def test_series_or_their_groups_are_the_units_of_intervals(tmp_path: Path, grouped: bool) -> None:
    columns = of_series(np.random.default_rng(3), 60)
    unit = np.repeat(np.arange(60), 10)
    if grouped:
        unit = unit // 2
        columns["group"] = [f"g{each}" for each in unit]

    found = evaluate_columns(forecasting.evaluate, tmp_path, columns)

    def by_unit(loss: Any) -> Any:
        return np.array([loss[unit == one].mean() for one in np.unique(unit)])

    actual, error = columns["actual"], np.abs(columns["predicted"] - columns["actual"])
    weight = np.ones(len(np.unique(unit)))
    ratio = error.sum() / actual.sum()
    scaled = by_unit(error / columns["scale"])
    ahead = 2 if grouped else 2 * (1 + 3.5 / 60)  # series may differ in scale
    expected: dict[str, Any] = {
        "mae": augmented_t(by_unit(error), weight, ahead),
        "rmse": np.sqrt(augmented_t(by_unit(error**2), weight, 1.5 * ahead)),
        "smape": augmented_t(by_unit(2 * error / (actual + columns["predicted"])), weight, ahead),
        "mase": augmented_t(scaled, weight, ahead),
        "wape": augmented_t(by_unit(ratio + (error - ratio * actual) / actual.mean()), weight, ahead, ahead),
    }
    for name, ends in expected.items():
        interval = found.confidence_intervals[name]
        assert (interval.lower, interval.upper) == pytest.approx(tuple(ends)), name
    assert found.effective_sample_size == len(weight)


def test_series_of_different_scale_have_an_interval_of_the_mase_alone(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    scale, actual = np.repeat(3.0 ** (np.arange(12) % 4), 50), random.normal(500, 5, 600)
    columns = {
        "series_id": np.repeat(np.arange(12), 50),
        "actual": actual,
        "predicted": actual + scale * random.normal(0, 1, 600),
        "scale": scale,
    }

    found = evaluate_columns(forecasting.evaluate, tmp_path, columns)

    assert set(found.confidence_intervals) == {"mase"}
    for name in ("mae", "rmse"):
        reason = found.intervals_unavailable[name]
        assert reason.startswith("The errors of the 12 series are too skewed for so few. ")
        assert reason.endswith(" Use `mase`, which has an interval.")


@pytest.mark.parametrize("named", [False, True])
def test_fewer_than_five_series_have_no_interval(tmp_path: Path, named: bool) -> None:
    columns = of_series(np.random.default_rng(3), 4)
    if not named:
        del columns["series_id"]
        columns["scale"] = [2.0] * 40

    found = evaluate_columns(forecasting.evaluate, tmp_path, columns)

    assert not found.confidence_intervals
    reason = f"An interval needs at least 5 series, not {4 if named else 1}."
    assert found.intervals_unavailable == dict.fromkeys(found.metrics, reason)


@pytest.mark.parametrize(
    ("last", "advice"),
    [(1.4, r"An interval needs at least about 18 series\."), (3.0, r"About 30 are mostly enough for an interval\.")],
)
def test_few_series_whose_errors_are_skewed_are_too_few(tmp_path: Path, last: float, advice: str) -> None:
    sizes = np.array([0.9, 0.95, 1.0, 1.0, 1.05, 1.1, 1.2, last])
    columns = {
        "series_id": [f"s{each}" for each in range(8) for _ in range(10)],
        "actual": np.tile([10.0, 12.0], 40),
        "predicted": np.tile([10.0, 12.0], 40) + np.repeat(sizes, 10),
    }

    found = evaluate_columns(forecasting.evaluate, tmp_path, columns)

    reason = found.intervals_unavailable["mae"]
    assert re.match(rf"The errors of the 8 series are too skewed for so few\. {advice}", reason), reason


def test_a_series_in_two_groups_is_refused(tmp_path: Path) -> None:
    columns = {"series_id": ["a", "a"], "actual": [1.0, 2.0], "predicted": [1.0, 2.0], "group": [1, 2]}

    with pytest.raises(UnprocessablePredictionsError, match="The series 'a' has rows in more than one group"):
        evaluate_columns(forecasting.evaluate, tmp_path, columns)


@pytest.mark.parametrize(("series", "row"), [(["a", None], 2), ([math.nan, 1.0], 1)])
def test_a_row_without_series_is_refused(tmp_path: Path, series: list[Any], row: int) -> None:
    columns = {"series_id": series, "actual": [1.0, 2.0], "predicted": [1.0, 2.0]}

    with pytest.raises(UnprocessablePredictionsError, match="has no series in the column 'series_id'") as refused:
        evaluate_columns(forecasting.evaluate, tmp_path, columns)

    assert refused.value.row == row


@pytest.mark.parametrize("scale", [[1.0, 2.0], [-1.0, -1.0], [None, 1.0], [math.inf, math.inf]])
def test_a_series_with_an_invalid_or_varying_scale_is_refused(tmp_path: Path, scale: list[Any]) -> None:
    with pytest.raises(UnprocessablePredictionsError, match="one value of 'scale' of 0 or more"):
        evaluate_columns(
            forecasting.evaluate, tmp_path, {"actual": [1.0, 2.0], "predicted": [1.0, 1.0], "scale": scale}
        )


@pytest.mark.parametrize("scale", [0.0, 1e-300])
def test_mase_is_undefined_for_a_constant_training_series(tmp_path: Path, scale: float) -> None:
    columns = {
        "series_id": ["a", "b", "c"],
        "actual": [5.0, 5.0, 10.0],
        "predicted": [6.0, 5.0, 12.0],
        "scale": [1.0, scale, scale],
    }

    found = evaluate_columns(forecasting.evaluate, tmp_path, columns)

    assert found.metrics["mae"] == 1
    assert found.metrics["mase"] is None
    assert found.metrics_unavailable["mase"] == (
        "The scale of the series 'b' and of 1 more is 0: no error is relative to a constant series."
    )


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
    found = evaluate_columns(forecasting.evaluate, tmp_path, {"actual": [1.0], "predicted": [2.0]})

    assert found.metrics["mase"] is None
    assert "'scale'" in found.metrics_unavailable["mase"]
