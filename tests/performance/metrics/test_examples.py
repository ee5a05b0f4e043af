"""The digest of the examples depends on the examples alone."""

import csv
import gzip
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance.metrics.inputs.options import Columns, Options
from performance.metrics.result import UnprocessablePredictionsError
from performance.metrics.tasks.evaluators import evaluate
from tests.performance.metrics.tables import EACH_EVALUATES, read_file, write_parquet

CLASSES = {"example_id": ["a", "b", "c"], "actual": [True, False, True], "weight": [0.1, 2.0, 1e-7]}
NUMBERS = {"example_id": [1, 2, 3], "actual": [0.1, -2.5e-8, 3e20], "group": ["x", "x", "y"], "weight": [1, 0.5, 3]}
SERIES = {"series_id": ["s", "t", "u"], "horizon": [1, 2, 1], "actual": [1.0, 2.25, 1 / 3], "scale": [0.5, 0.5, 2.0]}
ITEMS = {"query_id": [1, 1, 2], "relevance": [0, 2, 1], "score": [0.1, 0.2, 0.3]}
TABLES = [
    ("classification", {**CLASSES, "predicted": [True, True, False]}),
    ("regression", {**NUMBERS, "predicted": [1.0, 2.0, 3.0]}),
    ("forecasting", {**SERIES, "predicted": [1.0, 2.0, 3.0]}),
    ("ranking", ITEMS),
]


def digest(folder: Path, task: str, table: dict[str, Any], suffix: str = "parquet", **columns: Any) -> str | None:
    """Return the digest of the examples in a table, written as a file."""
    if suffix == "csv":
        file = as_csv(folder, table, "predictions.csv", ",")
    else:
        file = folder / "predictions.parquet"
        write_parquet(file, table)
    return evaluate(read_file(file), task, Columns(**columns), Options()).examples_digest


@pytest.mark.parametrize(("task", "table"), TABLES)
def test_the_digest_depends_neither_on_order_nor_on_format_nor_on_predictions(
    tmp_path: Path, task: str, table: dict[str, Any]
) -> None:
    shuffled = {name: [values[at] for at in (2, 0, 1)] for name, values in table.items()}
    predicted = "score" if task == "ranking" else "predicted"
    other = {**table, predicted: list(reversed(table[predicted]))}
    with_floats = {name: [float(each) if type(each) is int else each for each in table[name]] for name in table}
    written = [as_csv(tmp_path, table, name, delimiter) for name, delimiter in CSV_FORMS]

    found = {digest(tmp_path, task, each) for each in (table, shuffled, other, with_floats)}
    found |= {digest(tmp_path, task, each, "csv") for each in (shuffled, other, with_floats)}
    found |= {evaluate(read_file(file), task, Columns(), Options()).examples_digest for file in written}
    pq.write_table(pa.table(table), tmp_path / "groups.parquet", row_group_size=1)
    found.add(evaluate(read_file(tmp_path / "groups.parquet"), task, Columns(), Options()).examples_digest)

    assert len(found) == 1
    assert None not in found


CSV_FORMS = [("commas.csv", ","), ("semicolons.csv", ";"), ("tabs.csv", "\t"), ("compressed.csv.gz", ",")]


def as_csv(folder: Path, table: dict[str, Any], name: str, delimiter: str) -> Path:
    """Return a table as a CSV file, which is compressed if its name says so."""
    file = folder / name
    with gzip.open(file, "wt", newline="") if name.endswith(".gz") else file.open("w", newline="") as written:
        csv.writer(written, delimiter=delimiter).writerows([table, *zip(*table.values(), strict=True)])
    return file


@pytest.mark.parametrize(("task", "table"), TABLES)
def test_the_digest_depends_on_every_value_of_the_examples(tmp_path: Path, task: str, table: dict[str, Any]) -> None:
    identifying = [name for name in table if name not in {"predicted", "score"}]
    changed = [{**table, name: [_other(table[name]), *table[name][1:]]} for name in identifying]
    repeated = {name: [*values, values[0]] for name, values in table.items()}

    found = [digest(tmp_path, task, _in_one_group(each)) for each in (table, *changed, repeated)]

    assert len(set(found)) == len(found)


def _in_one_group(table: dict[str, Any]) -> dict[str, Any]:
    """Say that examples repeat, as some of the changed ones do."""
    is_missing = "example_id" in table and "group" not in table
    return {**table, "group": ["x"] * len(table["example_id"])} if is_missing else table


def _other(values: list[Any]) -> Any:
    return next(value for value in values if value != values[0])


def test_examples_without_ids_have_no_digest(tmp_path: Path) -> None:
    labels = {"actual": [1, 0], "predicted": [1, 0]}

    assert digest(tmp_path, "classification", labels) is None


@pytest.mark.parametrize("ids", [[None, None, None], ["a", None, "b"], [1.0, None, 2.0]])
@pytest.mark.parametrize("more", [{}, {"group": ["x", "y", "y"]}, {"series_id": ["s", "t", "u"]}])
def test_examples_have_no_digest_unless_each_has_an_id(tmp_path: Path, ids: list[Any], more: dict[str, Any]) -> None:
    task = "forecasting" if "series_id" in more else "regression"
    table = {"example_id": ids, "actual": [1.0, 2.0, 2.5], "predicted": [1.0, 2.0, 3.0], **more}

    assert digest(tmp_path, task, table) is None
    assert digest(tmp_path, task, table, "csv") is None
    assert digest(tmp_path, task, {**table, "example_id": [1.0, math.nan, 2.0]}) is None
    assert digest(tmp_path, task, {**table, "example_id": [1, 2, 3]})


@pytest.mark.parametrize(("ids", "named"), [(["a", "b", "b"], "b"), ([1.0, 2.0, 2.0], "2"), ([1, 2, 2], "2")])
@pytest.mark.parametrize("task", ["classification", "regression", "forecasting"])
def test_copies_of_an_example_in_groups_of_their_own_are_refused(
    tmp_path: Path, task: str, ids: list[Any], named: str
) -> None:
    """They would count as independent examples."""
    table = {"example_id": ids, "actual": [1, 0, 0], "predicted": [1, 0, 0], "series_id": ["s", "t", "u"]}

    with pytest.raises(UnprocessablePredictionsError, match=f"Row 2 has the example_id '{named}'.* 'group'") as refused:
        digest(tmp_path, task, {**table, "group": ["x", "y", "z"]})

    assert (refused.value.column, refused.value.row) == ("example_id", 2)
    assert digest(tmp_path, task, {**table, "group": ["x", "y", "y"]})
    assert digest(tmp_path, task, {**table, "group": [1, 2, 2.0]}, "csv")


def test_an_example_may_be_a_group_of_its_own(tmp_path: Path) -> None:
    table = {"example_id": ["a", "b", "b"], "actual": [1, 0, 0], "predicted": [1, 0, 0]}

    assert digest(tmp_path, "classification", table, group="example_id")


def test_truth_values_are_the_numbers_that_they_may_be_read_as(tmp_path: Path) -> None:
    ids = {"example_id": ["a", "b"]}
    found = {
        digest(tmp_path, "classification", {**ids, "actual": actual, "predicted": predicted})
        for actual, predicted in (([True, False], [True, False]), ([True, False], [1, 0]), (["1", "0"], ["1", "1"]))
    }

    assert len(found) == 1


@given(st.lists(st.floats(-1e45, 1e45), min_size=1, max_size=20))
@EACH_EVALUATES
def test_any_number_has_one_digest_in_both_formats(tmp_path: Path, numbers: list[float]) -> None:
    table = {"example_id": list(range(len(numbers))), "actual": numbers, "predicted": [0.0] * len(numbers)}

    assert digest(tmp_path, "regression", table) == digest(tmp_path, "regression", table, "csv")


def test_columns_that_differ_only_by_case_are_distinct(tmp_path: Path) -> None:
    table = pa.table({"example_id": [1, 2], "ID": [1, 1], "id": [3, 4], "actual": [1.0, 2.0], "predicted": [1.0, 2.0]})
    write_parquet(tmp_path / "p.parquet", table)
    found = evaluate(read_file(tmp_path / "p.parquet"), "regression", Columns(example_id="id"), Options())

    assert found.evaluation_options["columns"] == {"actual": "actual", "predicted": "predicted", "example_id": "id"}
