"""Numbers that are equal but for rounding count as equal."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from performance.metrics.tasks import regression
from tests.performance.metrics.paired.pairs import compare, ids
from tests.performance.metrics.tables import evaluate_columns


def spread_numbers() -> Any:
    return np.random.default_rng(1).normal(50, 20, 200)


@pytest.mark.parametrize("number", [0.1, 0.7, -1e6 / 3, 1e-40])
@pytest.mark.parametrize("rows", [3, 10, 60])
def test_equal_actual_values_have_no_spread_to_explain(tmp_path: Path, number: float, rows: int) -> None:
    """Their mean may not be exactly the same number."""
    errors = {"none": 0.0, "constant": number, "varying": np.arange(rows) * number}
    found = {
        name: evaluate_columns(
            regression.evaluate, tmp_path, {"actual": [number] * rows, "predicted": np.full(rows, number) + error}
        ).metrics
        for name, error in errors.items()
    }

    assert {name: each["r_squared"] for name, each in found.items()} == {"none": 1.0, "constant": 0.0, "varying": 0.0}
    explained = {name: each["explained_variance"] for name, each in found.items()}
    assert explained == {"none": 1.0, "constant": 1.0, "varying": 0.0}


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("error", [0.1, 1.0, 1 / 3])
def test_equal_errors_do_not_tell_how_much_others_differ(tmp_path: Path, error: float, grouped: bool) -> None:
    actual = spread_numbers()
    columns = {"actual": actual, "predicted": actual + error, "group": np.arange(200) // 10}
    if not grouped:
        del columns["group"]

    found = evaluate_columns(regression.evaluate, tmp_path, columns)

    assert not {"mae", "rmse", "bias", "median_absolute_error"} & set(found.confidence_intervals)
    assert " are alike" in found.intervals_unavailable["bias"]
    assert "the middle errors" in found.intervals_unavailable["median_absolute_error"].lower()


def test_equal_actual_values_have_no_share_whose_difference_is_known(tmp_path: Path) -> None:
    actual, error = np.full(200, 0.1), np.random.default_rng(2).normal(0, 1, 200)
    tables = [{"example_id": ids(200), "actual": actual, "predicted": actual + each} for each in (error, 2 * error)]

    found = compare(tmp_path, "regression", tables)

    assert "mae" in found
    assert not {"r_squared", "explained_variance"} & set(found)


def test_equal_errors_of_both_versions_have_no_difference_of_zero_width(tmp_path: Path) -> None:
    actual = spread_numbers()
    tables = [{"example_id": ids(200), "actual": actual, "predicted": actual + each} for each in (0.1, 0.3)]

    found = compare(tmp_path, "regression", tables)

    assert not {"mae", "rmse", "bias", "explained_variance"} & set(found)
    assert found["r_squared"].lower < found["r_squared"].upper
