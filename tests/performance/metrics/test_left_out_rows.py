"""Rows that are left out: those without a prediction, which are counted, and those of weight 0, which are not."""

from pathlib import Path
from typing import Any

import pytest

from performance.metrics.inputs.options import Columns, Options
from performance.metrics.result import Evaluation
from performance.metrics.tasks.evaluators import evaluate
from tests.performance.metrics.tables import read_file, write_parquet

TASKS = ["classification", "regression", "forecasting"]


def evaluated(folder: Path, task: str, table: dict[str, Any], **columns: Any) -> Evaluation:
    write_parquet(folder / "p.parquet", table)
    return evaluate(read_file(folder / "p.parquet"), task, Columns(**columns), Options(allow_missing=True))


@pytest.mark.parametrize("task", TASKS)
def test_rows_of_weight_0_dilute_no_missing_fraction(tmp_path: Path, task: str) -> None:
    predicted: list[int | None] = [*[None] * 46, 1, 0, 1, 0]
    table: dict[str, list[Any]] = {"actual": [0, 1] * 25, "predicted": predicted, "weight": [0.5] * 50}
    padding: dict[str, list[Any]] = {"actual": [0, 1] * 2_500, "predicted": [1, 0] * 2_500, "weight": [0.0] * 5_000}

    found = evaluated(tmp_path, task, {name: [*table[name], *padding[name]] for name in table})

    assert (found.rows, found.sample_count, found.missing_fraction) == (5_050, 4, 0.92)
    assert [each.detail for each in found.warnings if each.code == "missing_predictions"] == [
        "92.0% of the rows have no prediction."
    ]


@pytest.mark.parametrize("task", TASKS)
def test_only_rows_of_weight_0_may_lack_a_prediction_uncounted(tmp_path: Path, task: str) -> None:
    table = {"actual": [0, 1, 1], "predicted": [0, 1, None], "weight": [1.0, 1.0, 0.0]}

    found = evaluated(tmp_path, task, table)

    assert (found.rows, found.sample_count, found.missing_fraction) == (3, 2, 0)


LEFT_OUT: list[tuple[dict[str, list[Any]], str]] = [
    ({"predicted": [1, 0, None, None, None, None]}, "'fr' (3), 'nz' (1)"),
    ({"predicted": [1, 0, 1, 0, 1, 0], "weight": [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]}, "'fr' (3), 'nz' (1)"),
    ({"predicted": [1, 0, None, 0, 1, 0], "weight": [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]}, "'nz' (1)"),
    ({"predicted": [1, 0, 0, 1, 1, None]}, "'nz' (1)"),
]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("values", "listed"), LEFT_OUT)
def test_a_slice_whose_rows_are_all_left_out_is_shown_without_metrics(
    tmp_path: Path, task: str, values: dict[str, list[Any]], listed: str
) -> None:
    table = {"actual": [1, 0, 0, 1, 0, 0], "country": ["de", "de", "fr", "fr", "fr", "nz"], **values}

    found = evaluated(tmp_path, task, table, slices=["country"])

    unscored = [each for each in found.slices if each.sample_count == 0]
    assert [f"{each.value!r}" for each in unscored] == [each.split()[0] for each in listed.split(", ")]
    assert {each.value for each in found.slices} == {"de", "fr", "nz"}
    assert all(value is None for each in unscored for value in each.metrics.values())
    [warning] = [each.detail for each in found.warnings if each.code == "unscored_slices"]
    assert warning.startswith("The column 'country' has values that nothing is known of")
    assert warning.endswith(f": {listed}.")


def test_no_slice_is_left_out_if_each_has_an_example(tmp_path: Path) -> None:
    table = {"actual": [1, 0, 0], "predicted": [1, None, 0], "country": ["de", "de", None]}

    found = evaluated(tmp_path, "regression", table, slices=["country"])

    assert [each.sample_count for each in found.slices] == [1, 1]
    assert [each.code for each in found.warnings] == ["missing_predictions"]


def test_of_many_slices_without_examples_the_largest_are_shown(tmp_path: Path) -> None:
    sizes = range(1, 9)
    countries = [f"c{size}" for size in sizes for _ in range(size)]
    table = {"actual": [1.0, *[2.0] * 36], "predicted": [1.0, *[None] * 36], "country": ["de", *countries]}

    found = evaluated(tmp_path, "regression", table, slices=["country"])

    assert [each.value for each in found.slices] == ["de", "c8", "c7", "c6", "c5", "c4"]
    assert found.warnings[0].detail.endswith(": 'c8' (8), 'c7' (7), 'c6' (6), 'c5' (5), 'c4' (4) and others.")
