"""Both engines agree on made-up files, with groups, slices, ids, weights, ties, odd spellings and separators."""

import csv
import gzip
import io
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from performance.metrics.inputs.options import Columns
from tests.performance.metrics.engines.agreement import ROUNDED, Compare, evaluate_task, written

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark_is_there")]

made_up = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],  # to shrink what fails takes minutes on Spark
    deadline=None,
    max_examples=4,  # of each task type
    derandomize=True,
)

LABELS = [
    ["0", "1", "1.0", "+1", " 1", "0.", "1e0"],
    ["true", "False", "TRUE", "false "],
    ["true", "0", "1", "False"],
    ["a", "A", "ä", "a ", "", "NA", "a;b", 'a"b', "a\tb"],
    ["007", "7", "8", "NaN", "-0"],
]
NUMBERS = st.sampled_from(["1", "2.5", " 3", "-.5", "+4.", "1e1", "0", "-0", "1e-300", "7E-2"]) | st.floats(
    -1e6, 1e6
).map(str)
ODD_NUMBERS = st.sampled_from(["", "NaN", "1,5", "1_000", "inf", "x"])
SCORES = st.sampled_from(["0", "0.25", "0.25", ".5", "1", "1.0000001"]) | st.floats(0, 1).map(str)
WEIGHTS = st.sampled_from(["1", "0", "2.5", "1e-3"])
SLICES = st.sampled_from(["CH", "ch", " CH", "", "1.0", "1", "NaN", "it's"])
IDS = ["{at}", "{at}.0", "x{at} ", "ä{at}"]


def mostly(draw: st.DrawFn, usual: st.SearchStrategy[str], odd: st.SearchStrategy[str], size: int) -> list[str]:
    """Return texts, in one of eight files with an odd one."""
    texts = [draw(usual) for _ in range(size)]
    if not draw(st.integers(0, 7)):
        texts[draw(st.integers(0, size - 1))] = draw(odd)
    return texts


@st.composite
def tables(draw: st.DrawFn, task_type: str) -> dict[str, list[str]]:
    """Columns of texts that the task type reads, and some of those that it may read."""
    size = draw(st.integers(1, 45))

    def column(values: st.SearchStrategy[str]) -> list[str]:
        return draw(st.lists(values, min_size=size, max_size=size))

    if task_type == "classification":
        labels = st.sampled_from(draw(st.sampled_from(LABELS)))
        columns = {
            "actual": column(labels),
            "predicted": column(labels),
            "score": mostly(draw, SCORES, ODD_NUMBERS, size),
        }
    elif task_type == "ranking":
        columns = {"query_id": column(st.sampled_from(["q", "1", "1.0", "ä"])), "score": column(SCORES)}
        columns["relevance"] = mostly(draw, st.sampled_from(["0", "0", "1", "2.0"]), ODD_NUMBERS, size)
    else:
        columns = {name: mostly(draw, NUMBERS, ODD_NUMBERS, size) for name in ("actual", "predicted")}
    if task_type == "forecasting":
        columns["series_id"] = [f"s{at % 7}" for at in range(size)]
        columns["scale"] = [str(at % 7 % 4) for at in range(size)]
        columns["horizon"] = column(st.sampled_from(["1", "2.0", " 3"]))
    if draw(st.booleans()) and task_type != "ranking":
        columns["weight"] = mostly(draw, WEIGHTS, st.sampled_from(["-1", "x"]), size)
    if draw(st.booleans()) and task_type in {"classification", "regression"}:
        columns["group"] = [f"{at % 12}.0" for at in range(size)]
    if draw(st.booleans()) and task_type != "ranking":
        columns["example_id"] = [draw(st.sampled_from(IDS)).format(at=at) for at in range(size)]
    columns["country"] = column(SLICES)
    return columns


def as_file(folder: Path, columns: dict[str, list[str]], kind: str) -> Path:
    """Return a file of the columns: `parquet`, or a CSV file whose cells are separated by `kind`."""
    if kind == "parquet":
        return written(folder / "corpus.parquet", columns)
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=kind[0]).writerows([columns, *zip(*columns.values(), strict=True)])
    file = folder / ("corpus.csv.gz" if kind.endswith("gz") else "corpus.csv")
    content = text.getvalue().encode()
    file.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    return file


@pytest.mark.parametrize("task_type", ["classification", "regression", "forecasting", "ranking"])
@given(data=st.data(), kind=st.sampled_from(["parquet", ",", ";", "\t", ",gz"]), allow_missing=st.booleans())
@made_up
def test_both_engines_agree_on_made_up_files(
    compare: Compare, tmp_path: Path, task_type: str, data: st.DataObject, kind: str, allow_missing: bool
) -> None:
    columns: dict[str, Any] = data.draw(tables(task_type))
    named = Columns(slices=["country"]) if task_type != "ranking" and data.draw(st.booleans()) else Columns()
    file = as_file(tmp_path, columns, kind)

    assert compare(partial(evaluate_task, task_type), [file], named, intervals=ROUNDED, allow_missing=allow_missing)
