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
    predicted = [*[None] * 46, *[1, 0] * 2]
    table = {"actual": [0, 1] * 25, "predicted": predicted, "weight": [0.5] * 50}
    padding = {"actual": [0, 1] * 2_500, "predicted": [1, 0] * 2_500, "weight": [0.0] * 5_000}

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
