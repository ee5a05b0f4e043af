"""Predictions as a file: what is uploaded of data frames and arrays."""

from pathlib import Path
from typing import Any

import numpy
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from performance_registry.predictions import name_columns, predictions_file
from pyarrow import parquet

ROWS = {
    "y": ["a", "b", "a"],
    "y_hat": ["a", "a", "a"],
    "p": [0.1, 0.7, 0.2],
    "country": ["de", "fr", None],
    "x": [1, 2, 3],
}
COLUMNS = {"actual": "y", "predicted": "y_hat", "score": "p", "slices": ["country"]}


class Stream:
    """What knows nothing but Arrow's PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pyarrow.table(ROWS).__arrow_c_stream__(requested_schema)


FRAMES = {
    "pandas": pandas.DataFrame(ROWS),
    "pandas with an index": pandas.DataFrame(ROWS, index=[7, 8, 9]),
    "polars": polars.DataFrame(ROWS),
    "pyarrow": pyarrow.table(ROWS),
    "NumPy": {name: numpy.array(values) for name, values in ROWS.items()},
    "PyCapsule": Stream(),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_the_named_columns_of_a_data_frame_become_parquet(frame: object) -> None:
    with predictions_file(frame, COLUMNS) as (file, mapping):
        written = parquet.read_table(file).to_pydict()

    assert written == {name: ROWS[name] for name in ("y", "y_hat", "p", "country")}
    assert mapping == COLUMNS
    assert not file.exists()


def test_a_data_frame_without_named_columns_is_uploaded_whole() -> None:
    with predictions_file(polars.DataFrame(ROWS), {"slices": ["country"]}) as (file, mapping):
        assert parquet.read_table(file).to_pydict() == ROWS

    assert mapping == {"slices": ["country"]}


ARRAYS = {
    "NumPy": numpy.array,
    "pandas": pandas.Series,
    "polars": polars.Series,
    "pyarrow": pyarrow.array,
    "lists": list,
    "an index": pandas.Index,
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays_are_named_after_what_they_mean(array: Any) -> None:
    columns = {
        "actual": array([0, 1, 2]),
        "predicted": array([0, 1, 1]),
        "scores": {0: array([0.5, 0.2, 0.1]), 1: "p"},
        "slices": {"region": array(["n", "s", "s"])},
    }

    with predictions_file(ROWS, columns) as (file, mapping):
        written = parquet.read_table(file).to_pydict()

    assert mapping == {
        "actual": "actual",
        "predicted": "predicted",
        "scores": {"0": "score_0", "1": "p"},
        "slices": ["region"],
    }
    assert written == {
        "actual": [0, 1, 2],
        "predicted": [0, 1, 1],
        "score_0": [0.5, 0.2, 0.1],
        "p": ROWS["p"],
        "region": ["n", "s", "s"],
    }


def test_a_file_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"

    with predictions_file(str(file), {"actual": "y", "weight": None}) as (found, mapping):
        assert (found, mapping) == (file, {"actual": "y"})


@pytest.mark.parametrize(
    ("data", "columns", "error", "message"),
    [
        (ROWS, {"actual": "z"}, ValueError, "The data has no column 'z'; it has 'y', 'y_hat'"),
        (None, {"actual": "y"}, ValueError, "There is no data that has a column 'y'"),
        (None, {"actual": [1, 2], "predicted": [1]}, ValueError, "expected length 2 but got length 1"),
        (None, {"score": numpy.zeros((3, 2))}, ValueError, r"score must have one dimension, not 2"),
        (ROWS, {"actual": "score", "score": [1, 2, 3]}, ValueError, "score is the name of both an array and a column"),
        ("predictions.csv", {"actual": [1]}, TypeError, "actual: name a column of the file"),
        (3, {"actual": "y"}, TypeError, "int is no path, no data frame"),
    ],
)
def test_what_cannot_be_uploaded_is_named(data: object, columns: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message), predictions_file(data, columns):
        pass


names = st.text(min_size=1, max_size=5)
arrays = st.lists(st.integers(), min_size=2, max_size=2)
columns = st.fixed_dictionaries(
    {},
    optional={
        "actual": names | arrays,
        "predicted": names | arrays,
        "scores": st.dictionaries(names | st.integers(), names | arrays),
        "slices": st.lists(names) | st.dictionaries(names, arrays),
    },
)


@given(columns)
def test_every_column_gets_one_name_and_no_array_hides_a_column(columns: dict[str, Any]) -> None:
    try:
        mapping, found = name_columns(columns)
    except ValueError:
        return

    assert mapping.keys() == columns.keys()
    for meaning in mapping.keys() & {"actual", "predicted"}:
        given_column = columns[meaning]
        assert mapping[meaning] == (given_column if isinstance(given_column, str) else meaning)
    for label, column in columns.get("scores", {}).items():
        name = mapping["scores"][str(label)]
        assert name == column if isinstance(column, str) else found[name] is column
