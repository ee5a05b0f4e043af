"""Apache Spark reads and refuses files as DuckDB does."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from performance.metrics.engines.spark import Spark
from performance.metrics.result import UnprocessablePredictionsError
from performance.metrics.tasks import classification, regression
from tests.performance.metrics import (
    test_classification_inputs,
)
from tests.performance.metrics.engines.agreement import Compare, evaluate_task, outcome, written

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark_is_there")]


@pytest.mark.parametrize(("columns", "reason", "row"), test_classification_inputs.REFUSED)
def test_a_row_that_cannot_be_scored_is_refused_with_its_number(
    compare: Compare, columns: dict[str, Any], reason: str, row: int | None
) -> None:
    found = compare(classification.evaluate, columns)

    assert reason in found["refused"]
    assert found["row"] == row


def test_spark_refuses_a_repeated_example_with_its_row(compare: Compare) -> None:
    table = {"example_id": ["x", "y", "z", "y"], "actual": [1, 2, 3, 4], "predicted": [1, 2, 3, 4]}

    assert compare(partial(evaluate_task, "regression"), table)["row"] == 2
    assert compare(partial(evaluate_task, "regression"), {**table, "group": [1, 2, 3, 4]})["row"] == 2
    assert compare(partial(evaluate_task, "regression"), {**table, "group": [1, 2, 3, 2]})["examples_digest"]


@pytest.mark.parametrize("names", [["", "actual", "predicted"], ["actual", "predicted", ""]])
def test_spark_takes_a_column_without_a_name_for_the_index_or_refuses_it(
    compare: Compare, tmp_path: Path, names: list[str]
) -> None:
    pq.write_table(pa.table([["a", "b"]] * 3, names=names), tmp_path / "p.parquet")

    assert ("refused" in compare(classification.evaluate, [tmp_path / "p.parquet"])) == (names[0] != "")


def test_spark_names_the_first_invalid_row_of_several_files(compare: Compare, tmp_path: Path) -> None:
    rows = 30_000
    files = [tmp_path / "b.parquet", tmp_path / "a.parquet"]
    for at, file in enumerate(files):
        predicted = [1.0] * rows
        if at == 1:
            predicted[rows // 2] = predicted[-1] = math.nan
        pq.write_table(pa.table({"actual": [1.0] * rows, "predicted": predicted}), file, row_group_size=5_000)

    assert compare(regression.evaluate, files)["row"] == rows + rows // 2 + 1


FIXTURES = Path(__file__).parents[4] / "fixtures" / "predictions"

CSV = [
    'actual,predicted,score\n"a ""b""",a,0.5\n"x\ny",a,.1\na,"a",.1\n',
    "\ufeffactual,predicted,score\r\nä,ä,0.5\r\n,b,.1\r\n",
    'actual,predicted,score\n"a,b",,0.5\n',
    "actual,predicted,score\na,a,0.5\nb,b,\n",
    "actual,predicted,score\na,a\n",
    "actual,predicted,score\na,a,0.5,1\n",
    'actual,predicted,score\n\0,a,0.5\nb,"b',
    "actual,predicted,score\n\na,a,0.5\n\nb,b,0.25\n",
    "actual,predicted,score\n",
    "",
]


@pytest.mark.parametrize("content", CSV)
def test_spark_reads_csv_by_the_same_rules(compare: Compare, tmp_path: Path, content: str) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text(content, newline="")

    assert compare(classification.evaluate, [file])


def test_spark_reads_several_csv_files_as_one(compare: Compare) -> None:
    files = sorted((FIXTURES / "breast-cancer").glob("ver-00003-*.csv"))

    found = compare(classification.evaluate, files)

    assert found["rows"] == sum(len(file.read_text().splitlines()) - 1 for file in files)


@pytest.mark.parametrize("name", ["a b*[1]?{x}", "year=2024", "é%20", "back\\slash", "#;&"])
def test_spark_accepts_file_names_with_wildcards(compare: Compare, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for other in ("predictions", name):
        written(folder / f"{other}.parquet", {"actual": ["a", "b"], "predicted": ["a", other]})

    assert compare(classification.evaluate, [folder / f"{name}.parquet"])["sample_count"] == 2


@pytest.mark.parametrize("name", ["a:b.parquet", "_a.parquet", ".a.parquet"])
def test_spark_refuses_files_that_it_would_skip(spark: Spark, tmp_path: Path, name: str) -> None:
    file = written(tmp_path / name, {"actual": ["a"], "predicted": ["a"]})

    with pytest.raises(UnprocessablePredictionsError, match="Spark cannot read a file"):
        spark.read_parquet([str(file)])


@pytest.mark.parametrize("content", [b"", b"actual,predicted\na,a\n", b"PAR1 is not enough PAR1"])
def test_spark_refuses_files_that_are_not_parquet(spark: Spark, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "predictions.parquet"
    file.write_bytes(content)

    assert "cannot be read" in outcome(spark, classification.evaluate, [file], None, {})["refused"]


def test_spark_refuses_a_damaged_file(spark: Spark, tmp_path: Path) -> None:
    file = written(tmp_path / "predictions.parquet", {"actual": ["a", "b"] * 999, "predicted": ["a", "b"] * 999})
    content = file.read_bytes()
    file.write_bytes(content[:4] + b"\xff" * 200 + content[204:])

    assert "cannot be read" in outcome(spark, classification.evaluate, [file], None, {})["refused"]


@pytest.mark.parametrize("other", [{"actual": ["a"]}, {"actual": ["a"], "predicted": [1]}])
def test_spark_refuses_files_with_different_columns(spark: Spark, tmp_path: Path, other: dict[str, Any]) -> None:
    files = [written(tmp_path / "a.parquet", {"actual": ["a"], "predicted": ["a"]})]
    files += [written(tmp_path / "b.parquet", other)]

    assert "different columns" in outcome(spark, classification.evaluate, files, None, {})["refused"]
