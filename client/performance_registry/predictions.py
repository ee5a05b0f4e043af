"""Predictions as the file that is uploaded: data frames and arrays become Parquet, files stay as they are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Columns = Mapping[str, Any]


@contextmanager
def predictions_file(data: Any, columns: Columns) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give a file of predictions, and the column mapping that the registry needs for it.

    Args:
        data: the path of a Parquet or CSV file; a data frame of pandas, polars or pyarrow, or whatever else has Arrow's
            PyCapsule interface; a mapping from names to arrays; or `None` if all columns are arrays.
        columns: what the columns mean: by the registry's name of a column, such as `actual`, the name of the column in
            the data, or an array. `scores` is a mapping from labels to such columns; `slices` and `attributes` are
            lists of names, or mappings from names to arrays.

    Raises:
        ValueError: a column does not exist, or the columns have different lengths.
        TypeError: the data is nothing of the above.
    """
    mapping, arrays = name_columns(columns)
    if isinstance(data, (str, os.PathLike)):
        if arrays:
            raise TypeError(f"{', '.join(arrays)}: name a column of the file; arrays need a data frame, or no data.")
        yield Path(data), mapping
        return
    with tempfile.TemporaryDirectory(prefix="performance-registry-") as folder:
        file = Path(folder) / "predictions.parquet"
        _write_parquet(file, data, mapping, arrays)
        yield file, mapping


def name_columns(columns: Columns) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the names of the columns by what they mean, and the arrays among them by the names that they get.

    Raises `ValueError` if an array would get the name of a column of the data that is used too.
    """
    mapping: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    in_data: set[str] = set()

    def name(value: Any, own: str) -> str:
        if isinstance(value, str):
            in_data.add(value)
            return value
        if arrays.get(own, value) is not value:
            raise ValueError(f"There are two arrays of the name {own!r}.")
        arrays[own] = value
        return own

    for meaning, value in columns.items():
        if value is None:
            continue
        if meaning == "scores":
            mapping[meaning] = {str(label): name(column, f"score_{label}") for label, column in value.items()}
        elif meaning in ("slices", "attributes"):
            items = value.items() if isinstance(value, Mapping) else zip(value, value, strict=True)
            mapping[meaning] = [name(column, own) for own, column in items]
        else:
            mapping[meaning] = name(value, meaning)
    if taken := sorted(arrays.keys() & in_data):
        raise ValueError(f"{', '.join(taken)} is the name of both an array and a column. Rename the column.")
    return mapping, arrays


def _write_parquet(file: Path, data: Any, mapping: Columns, arrays: Columns) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        message = "Data frames and arrays need pyarrow: pip install 'model-performance-registry-client[data]'"
        raise ModuleNotFoundError(message) from None
    frame = None if data is None else _as_table(pyarrow, data)
    if frame is not None and mapping.keys() <= {"slices", "attributes"} and not arrays:
        table = frame  # no column is named, so the registry finds them by their usual names
    else:
        names = dict.fromkeys(_mapped_names(mapping))
        table = pyarrow.table({name: _column(pyarrow, frame, name, arrays) for name in names})
    parquet.write_table(table, file, compression="zstd")


def _mapped_names(mapping: Columns) -> Iterator[str]:
    for value in mapping.values():
        yield from [value] if isinstance(value, str) else value.values() if isinstance(value, dict) else value


def _as_table(pyarrow: Any, data: Any) -> Any:
    if hasattr(data, "__arrow_c_stream__") or isinstance(data, Mapping):
        return pyarrow.table(data)
    raise TypeError(
        f"{type(data).__name__} is no path, no data frame with Arrow's PyCapsule interface (pandas 2.2 or later, "
        "polars, pyarrow, …), and no mapping from names to arrays. Pass arrays as `actual=…`, `predicted=…`."
    )


def _column(pyarrow: Any, frame: Any, name: str, arrays: Columns) -> Any:
    if name in arrays:
        return _as_array(pyarrow, name, arrays[name])
    if frame is None:
        raise ValueError(f"There is no data that has a column {name!r}.")
    if name not in frame.column_names:
        raise ValueError(f"The data has no column {name!r}; it has {_listed(frame.column_names)}.")
    return frame[name]


def _as_array(pyarrow: Any, name: str, values: Any) -> Any:
    if getattr(values, "ndim", 1) != 1:
        raise ValueError(f"{name} must have one dimension, not {values.ndim}: such as `predict_proba(X)[:, 1]`.")
    if hasattr(values, "__arrow_c_stream__"):
        return pyarrow.chunked_array(values)
    return pyarrow.array(values.__array__() if hasattr(values, "__array__") else list(values))


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown[:20]) + (" …" if len(shown) > 20 else "")
