"""Versions are paired if they have the same examples, and files that cannot be joined are refused."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from performance.metrics.paired.intervals import paired_intervals
from performance.metrics.paired.paired_join import Choices
from performance.metrics.result import UnprocessablePredictionsError
from tests.performance.metrics.paired.pairs import exported

TABLE: dict[str, list[Any]] = {
    "example_id": ["a", "b", "c"],
    "actual": [1, 2, 3],
    "predicted": [1, 2, 4],
    "weight": [1.0, 1.0, 2.0],
}


@pytest.mark.parametrize("task", ["classification", "regression", "forecasting"])
@pytest.mark.parametrize(
    "change",
    [
        {"example_id": ["a", "b", "d"]},
        {"example_id": ["a", "b", "b"]},
        {"actual": [1, 2, 4]},
        {"weight": [1.0, 1.0, 1.0]},
        {"weight": None},
        {name: [*values, values[0]] for name, values in TABLE.items()},
        {name: values[:2] for name, values in TABLE.items()},
    ],
)
def test_other_examples_are_not_paired(tmp_path: Path, task: str, change: dict[str, Any]) -> None:
    changed = {name: values for name, values in {**TABLE, **change}.items() if values is not None}
    choices = Choices(None, "macro")

    here, there = exported(tmp_path, task, "here", TABLE), exported(tmp_path, task, "there", changed)

    assert paired_intervals(here, here, task, choices)
    assert not paired_intervals(here, there, task, choices)
    assert not paired_intervals(there, here, task, choices)
    if len(set(changed["example_id"])) < len(changed["example_id"]):
        assert not paired_intervals(there, there, task, choices)


def test_examples_without_ids_as_older_releases_stored_them_are_not_paired(tmp_path: Path) -> None:
    here = exported(tmp_path, "regression", "here", TABLE)
    stored = pq.read_table(here)
    there = tmp_path / "there.parquet"
    pq.write_table(stored.set_column(0, "example_id", pa.array(["a", "b", None])), there)

    for newer, older in ((here, there), (there, here), (there, there)):
        assert not paired_intervals(newer, older, "regression", Choices())


def test_a_million_rows_of_one_id_are_not_joined_with_each_other(tmp_path: Path) -> None:
    column = pa.array(["a"] * 1_000_000)
    pq.write_table(pa.table({"example_id": column, "actual": column, "predicted": column}), tmp_path / "kept.parquet")

    assert not paired_intervals(
        tmp_path / "kept.parquet", tmp_path / "kept.parquet", "classification", Choices(None, "macro")
    )


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for name in ("newer", "older"):
        (tmp_path / name).write_text("no Parquet")

    with pytest.raises(UnprocessablePredictionsError):
        paired_intervals(tmp_path / "newer", tmp_path / "older", "regression", Choices())


def test_a_small_file_that_expands_to_gigabytes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "kept.parquet"
    texts = duckdb.sql(
        "SELECT repeat('x', 30000) || range AS example_id, 'a' AS actual, 'a' AS predicted FROM range(16000)"
    )
    assert texts is not None
    texts.write_parquet(str(file), compression="zstd")
    assert file.stat().st_size < 2**20

    with pytest.raises(UnprocessablePredictionsError):
        paired_intervals(file, file, "classification", Choices(None, "macro"), disk="64MB")
