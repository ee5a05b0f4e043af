"""Regression, compared with statsmodels and, for MAPE, with utilsforecast.

utilsforecast knows no weights, so an example of weight two is there twice, and it leaves out actual values of 0, which
`test_regression.py` has.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.weightstats import DescrStatsW
from statsmodels.tools import eval_measures
from utilsforecast import losses

from performance.metrics.tasks import regression
from tests.performance.metrics.tables import evaluate_columns

pytestmark = pytest.mark.once

PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
EXTREMES = [0.0, 1.0, -1.0, 0.1, 1e-300, -1e-40, 1e40, -1e40]
NUMBERS = st.sampled_from(EXTREMES) | st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6)
WEIGHTS = st.sampled_from([1.0, 2.0, 1e-6, 1e6]) | st.floats(0.01, 100)


@st.composite
def predictions(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Actual and predicted numbers, and weights. Often one of both is constant, or the predictions are exact."""
    size = draw(st.integers(1, 40))
    numbers = st.lists(NUMBERS, min_size=size, max_size=size)
    constant = NUMBERS.map(lambda number: [number] * size)
    actual = draw(numbers | constant)
    predicted = draw(numbers | constant | st.just(actual))
    weight = draw(st.just([1.0] * size) | st.lists(WEIGHTS, min_size=size, max_size=size))
    return np.array(actual), np.array(predicted), np.array(weight)


def close(value: float, scale: float = 1.0) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9 * scale)


def evaluate_drawn(folder: Path, drawn: tuple[Any, Any, Any]) -> Any:
    """Return the metrics of actual values, predictions and weights."""
    columns = dict(zip(("actual", "predicted", "weight"), drawn, strict=True))
    return evaluate_columns(regression.evaluate, folder, columns).metrics


@given(drawn=predictions())
@PROPERTY
def test_errors_are_those_of_statsmodels(tmp_path: Path, drawn: tuple[Any, Any, Any]) -> None:
    actual, predicted, weight = drawn

    found = evaluate_drawn(tmp_path, drawn)

    error = predicted - actual
    scale = float(np.abs(error).max())
    assert found["mae"] == close(DescrStatsW(np.abs(error), weight).mean, scale)
    assert found["rmse"] == close(np.sqrt(DescrStatsW(error**2, weight).mean), scale)
    assert found["bias"] == close(DescrStatsW(error, weight).mean, scale)
    assert found["max_error"] == close(eval_measures.maxabs(predicted, actual), scale)
    if len(set(weight)) == 1:
        assert found["mae"] == close(eval_measures.meanabs(predicted, actual), scale)
        assert found["rmse"] == close(eval_measures.rmse(predicted, actual), scale)
        assert found["bias"] == close(eval_measures.bias(predicted, actual), scale)
        assert found["median_absolute_error"] == close(eval_measures.medianabs(predicted, actual), scale)


@given(drawn=predictions())
@PROPERTY
def test_shares_explained_are_those_of_statsmodels(tmp_path: Path, drawn: tuple[Any, Any, Any]) -> None:
    actual, predicted, weight = drawn

    found = evaluate_drawn(tmp_path, drawn)

    errors = predicted - actual
    if len(actual) < 2:
        assert found["r_squared"] is found["explained_variance"] is None
    elif np.ptp(actual) == 0:  # the squares of the smallest numbers are 0, here as in scikit-learn
        assert found["r_squared"] == float(not (errors**2).any())
        assert found["explained_variance"] == float(not ((errors - errors[0]) ** 2).any())
    else:
        spread, error = DescrStatsW(actual, weight).var, DescrStatsW(errors, weight)
        assume(spread > 0)
        assert found["r_squared"] == close(1 - (error.var + error.mean**2) / spread)
        assert found["explained_variance"] == close(1 - error.var / spread)


@given(
    errors=st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 5)), min_size=1, max_size=30),
)
@PROPERTY
def test_the_weighted_median_is_that_of_statsmodels(tmp_path: Path, errors: list[tuple[int, int]]) -> None:
    error, weight = np.array(errors, float).T
    columns = {"actual": np.zeros(len(error)), "predicted": error, "weight": weight / 4}

    found = evaluate_columns(regression.evaluate, tmp_path, columns).metrics["median_absolute_error"]

    [expected] = DescrStatsW(np.abs(error), weight).quantile([0.5], return_pandas=False)
    assert found == expected


@given(drawn=st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(0.1, 1e3), st.integers(1, 3)), min_size=1, max_size=30))
@PROPERTY
def test_mape_is_that_of_utilsforecast(tmp_path: Path, drawn: list[tuple[float, float, int]]) -> None:
    predicted, actual, weight = map(np.array, zip(*drawn, strict=True))

    found = evaluate_columns(
        regression.evaluate, tmp_path, {"actual": actual, "predicted": predicted, "weight": weight.astype(float)}
    ).metrics["mape"]

    y, model = np.repeat(actual, weight), np.repeat(predicted, weight)
    frame = pd.DataFrame({"unique_id": "all", "ds": range(len(y)), "y": y, "model": model})
    assert found == close(losses.mape(frame, ["model"])["model"].iloc[0])


@given(
    points=st.lists(
        st.tuples(st.floats(-10, 10), st.floats(-10, 10), st.floats(0.1, 10)), min_size=4, max_size=30, unique=True
    )
)
@PROPERTY
def test_what_a_line_explains_is_that_of_statsmodels(tmp_path: Path, points: list[tuple[float, float, float]]) -> None:
    x, actual, weight = np.array(points).T
    assume(min(np.ptp(x), np.ptp(actual)) > 0.1)
    line = WLS(actual, np.column_stack([np.ones(len(x)), x]), weights=weight).fit()

    found = evaluate_columns(
        regression.evaluate, tmp_path, {"actual": actual, "predicted": line.fittedvalues, "weight": weight}
    ).metrics

    assert found["r_squared"] == close(line.rsquared)
    assert found["explained_variance"] == close(line.rsquared)
    assert found["bias"] == pytest.approx(0, abs=1e-9)
    assert found["rmse"] == close(np.sqrt(line.ssr / weight.sum()))
