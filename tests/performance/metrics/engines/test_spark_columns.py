"""Apache Spark reads columns of any type, and numbers in texts, as DuckDB does."""

import datetime
import math
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from performance.metrics.engines.base import Engine
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.engines.spark import Spark
from performance.metrics.inputs.column_mapping import is_finite, is_missing, number_sql, value_sql
from performance.metrics.inputs.options import Columns
from performance.metrics.tasks import classification, ranking, regression
from tests.performance.metrics import test_ids
from tests.performance.metrics.engines.agreement import ROUNDED, Compare, assert_close, evaluate_task, written
from tests.performance.metrics.tables import Evaluate

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark_is_there")]


ODD = [
    *["it's", 'a "b"', "a\\b", "\\u0041", "${env:HOME}", "{{x}}", "`", "--", "/*", "\\", ""],
    *["\u202e", "e\u0301", "\u00e9", "\U0001f4a3", "x" * 300, ":a", "?"],
]


def test_spark_accepts_unusual_labels(compare: Compare) -> None:
    scores: dict[str, Any] = {f"score_{label}": [1 / len(ODD)] * len(ODD) for label in ODD}

    found = compare(
        classification.evaluate, {"actual": ODD, "predicted": [*ODD[1:], ODD[0]], **scores}, intervals=ROUNDED
    )

    assert set(found["per_class"]) == set(ODD)
    assert found["metrics"]["roc_auc"] == 0.5


def test_spark_trims_blanks(compare: Compare) -> None:
    found = compare(classification.evaluate, {"actual": [" a", "b\n", "", " "], "predicted": ["a\t", "b", "", "\r\n"]})

    assert found["confusion_matrix"] == {"labels": ["", "a", "b"], "counts": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}


@pytest.mark.parametrize(("task", "values", "ids"), test_ids.TASKS)
def test_spark_trims_ids(compare: Compare, task: str, values: dict[str, list[Any]], ids: dict[str, int]) -> None:
    rows = test_ids.ROWS
    spelt = {name: test_ids.spelt([at * count // rows for at in range(rows)]) for name, count in ids.items()}

    found = compare(partial(evaluate_task, task), {**values, **spelt}, intervals=ROUNDED)

    assert found["examples_digest"]
    blank = {name: [*cells[:-1], " \u00a0"] for name, cells in spelt.items()}
    assert "refused" in compare(partial(evaluate_task, task), {**values, **spelt, **blank}, intervals=ROUNDED)


def test_spark_keeps_long_decimals_apart(compare: Compare) -> None:
    ids = pa.array([Decimal(str(10**37 + at)) for at in range(3)], pa.decimal128(38))
    table = {"example_id": ids, "actual": [1.0, 2.0, 3.0], "predicted": [1.0, 2.0, 2.0]}

    assert compare(partial(evaluate_task, "regression"), table)["examples_digest"]


TYPED: list[tuple[Any, Any, Any]] = [
    ([True, False, True], [True, True, False], [0.5, 0.5, 0.75]),
    ([1, 0, 10], [1, 10, 10], None),
    ([1.0, -0.0, 2.5], [1.0, 0.0, 1.0], None),
    (pa.array([1, 0, 1], pa.uint64()), pa.array([1, 1, 0], pa.uint8()), pa.array([0.1, 0.2, 0.3], pa.float32())),
    ([Decimal("1.50"), Decimal("2.00")], [Decimal("1.50"), Decimal("1.50")], [Decimal("0.25"), Decimal("0.75")]),
    ([datetime.date(2026, 3, 13), datetime.date(2026, 3, 14)], [datetime.date(2026, 3, 13)] * 2, None),
    ([True, False, True], [1, 0, 0], None),
    (["1.0", "0.00", "1.0\n", "x.0"], ["1", "0", "01.0", "True"], None),
    (pa.array(["a", "b"]).dictionary_encode(), pa.array(["a", "a"], pa.large_string()), [" 1 ", "+.5e0"]),
]


@pytest.mark.parametrize(("actual", "predicted", "score"), TYPED)
def test_spark_accepts_labels_and_scores_of_many_types(
    compare: Compare, actual: Any, predicted: Any, score: Any
) -> None:
    scores = {} if score is None else {"score": score}

    assert compare(classification.evaluate, {"actual": actual, "predicted": predicted, **scores})["metrics"]


MOMENT = datetime.datetime(2026, 3, 13, 14, 22, 10, 123456)
KINDS: dict[str, Any] = {
    "dictionary": pa.array(["1.5", "0", " a"] * 12).dictionary_encode(),
    "decimal": pa.array([Decimal("0E-7"), Decimal("-0.0000015"), Decimal("12.5")] * 12, pa.decimal128(12, 7)),
    "long decimal": pa.array([Decimal("0.5"), Decimal(0), Decimal(7)] * 12, pa.decimal256(50, 3)),
    "float": [1e-5, -12345678.5, 9.1e15] * 12,
    "smaller float": [1.2345678901234567e-4, -0.00099, 1.5e16] * 12,
    "largest float": [1e-100, -1.5e300, 123456789012345.6] * 12,
    "short float": pa.array([0.1, 1e-4, 1e-5, 3e38] * 9, pa.float32()),
    "half float": pa.array(np.array([1, 0.1, np.nan] * 12, np.float16)),
    "nullable whole number": pa.array([1, None, 3] * 12, pa.int64()),
    "largest whole number": pa.array([2**64 - 1, 0, 1] * 12, pa.uint64()),
    "milliseconds": pa.array(
        [MOMENT.replace(microsecond=0), MOMENT.replace(microsecond=1000)] * 18, pa.timestamp("ms")
    ),
    "nanoseconds": pa.array([1_773_411_730_123_456_789, 0, 1_000] * 12, pa.timestamp("ns")),
    "time with a zone": pa.array([MOMENT, None, MOMENT] * 12, pa.timestamp("us", "Europe/Zurich")),
    "time of day": pa.array([datetime.time(1, 2, 3), datetime.time(1), None] * 12),
    "time of day in nanoseconds": pa.array([1, 0, 2_000] * 12, pa.time64("ns")),
    "duration": pa.array([datetime.timedelta(1), datetime.timedelta(2), None] * 12),
    "truth": [True, None, False] * 12,
    "bytes": [b"a", b"\xff\0", b""] * 12,
    "bytes of one length": pa.array([b"a\xff", b"bb", b"cc"] * 12, pa.binary(2)),
    "uuid": pa.array([bytes(range(16)), bytes(16), None] * 12, pa.uuid()),
    "json": pa.array(['{"a": 1}', "1", None] * 12, pa.json_(pa.string())),
    "view": pa.array(["a", "b ", None] * 12, pa.string_view()),
    "null": pa.nulls(36),
    "list": [[1], [0], None] * 12,
    "structure": [{"a": 1}, {"a": 0}, None] * 12,
    "map": pa.array([[("a", 1)], [], None] * 12, pa.map_(pa.string(), pa.int64())),
}


@pytest.mark.parametrize("kind", KINDS)
def test_spark_reads_labels_of_every_kind(compare: Compare, kind: str) -> None:
    columns = {"actual": KINDS[kind], "predicted": KINDS[kind]}

    assert compare(classification.evaluate, columns, intervals=ROUNDED, allow_missing=True)


# Each kind is read as labels. Here are those that Spark would write otherwise, and those that may be numbers, as an
# evaluation takes seconds. Lists and structures as slices are written by Spark in its own way.
AS_VALUES = ["decimal", "smaller float", "half float", "nanoseconds", "truth", "bytes"]
AS_NUMBERS = [
    "dictionary",
    "decimal",
    "long decimal",
    "float",
    "short float",
    "half float",
    "nullable whole number",
    "largest whole number",
    "truth",
]


@pytest.mark.parametrize("kind", AS_VALUES)
def test_spark_reads_groups_slices_and_attributes_of_many_kinds(compare: Compare, kind: str) -> None:
    columns = {"actual": range(36), "predicted": [1.0, 2.0, 4.0] * 12, "kind": KINDS[kind], "example_id": range(36)}

    assert compare(regression.evaluate, columns, Columns(group="kind"), intervals=ROUNDED)
    found = compare(regression.evaluate, columns, Columns(slices=["kind"], attributes=["kind"]), intervals=ROUNDED)

    assert found.get("slices") or "holds" in found["refused"]


@pytest.mark.parametrize("kind", AS_NUMBERS)
def test_spark_reads_numbers_of_many_kinds(compare: Compare, kind: str) -> None:
    columns = {"actual": KINDS[kind], "predicted": KINDS[kind], "weight": [1.0] * 36}

    assert compare(regression.evaluate, columns, intervals=ROUNDED, allow_missing=True)


def test_spark_accepts_unusual_column_names(compare: Compare) -> None:
    columns: dict[str, Any] = {"a.b": ["a", "b"], "A.B": ["b", "b"], "x`y": ["a", "a"], 'q"z': [0.1, 0.2], "é ": [1, 2]}
    named = Columns(actual="a.b", predicted="x`y", score='q"z', attributes=["é "])

    assert compare(classification.evaluate, columns, named)["metrics"]["accuracy"] == 0.5


NUMBERS_AS_TEXTS = [
    *[
        "1",
        "-1",
        "+1",
        "1.",
        ".5",
        "-.5",
        "1e3",
        "1E-3",
        " 1",
        "1 ",
        "\t1",
        "1\n",
        "007",
        "-0",
        "0x10",
        "1d",
        "1f",
        "1_0",
    ],
    *[
        "1,5",
        "1e400",
        "-1e400",
        "1e-400",
        "inf",
        "Infinity",
        "NaN",
        "nan",
        "NAN",
        "null",
        "",
        " ",
        "--1",
        "+-1",
        "1e",
        "e1",
    ],
    *["1 2", "١", "1.5.2", "1L", "true", "0b1", "1'000", "½", "-", "+", ".", "1e+5", "1e5.0", "9007199254740993"],
]


def test_spark_reads_every_text_as_the_same_number_and_value(spark: Spark, tmp_path: Path) -> None:
    file = written(tmp_path / "predictions.parquet", {"text": NUMBERS_AS_TEXTS})

    def read(engine: Engine) -> dict[str, Any]:
        engine.read_parquet([str(file)])
        types = engine.columns()
        number, value, missing = (reading("text", types) for reading in (number_sql, value_sql, is_missing))
        finite = f"CASE WHEN {is_finite(number)} THEN {number} END"
        rows = engine.rows(f"SELECT text, {finite}, {value}, {missing} FROM predictions")  # noqa: S608
        return {text: values for text, *values in rows}

    with DuckDB(folder=tmp_path) as duckdb:
        assert_close(read(spark), read(duckdb))


@pytest.mark.parametrize("text", ["1.", " 1", "1d", "NaN", "", "½"])
def test_spark_evaluates_or_refuses_a_text_as_a_number_like_duckdb(compare: Compare, tmp_path: Path, text: str) -> None:
    numbers = {"actual": ["1", text, "3"], "predicted": ["1", "2", text], "weight": ["1", "1", "2"]}
    labels = {"actual": ["a", text, "a"], "predicted": ["a", text, text], "score": ["0.5", text, "0.5"]}

    compare(partial(evaluate_task, "regression"), numbers, intervals=ROUNDED, allow_missing=True)
    compare(partial(evaluate_task, "classification"), labels, intervals=ROUNDED, allow_missing=True)


NOT_NUMBERS = [math.nan, -math.inf, "nan", "inf", "1d", "1f", "0x1p3", "1 2", "", "x", None]


@pytest.mark.parametrize("value", NOT_NUMBERS)
@pytest.mark.parametrize(
    ("evaluate", "columns", "name"),
    [
        (classification.evaluate, {"actual": ["a", "b", "a"], "predicted": ["a"] * 3}, "score"),
        (regression.evaluate, {"actual": [1.0, 2.0, 3.0], "predicted": [1.0, 2.0, 3.0]}, "weight"),
        (ranking.evaluate, {"query_id": ["a"] * 3, "score": [1.0, 2.0, 3.0]}, "relevance"),
    ],
)
def test_spark_refuses_a_number_that_is_not_finite_with_its_row(
    compare: Compare, evaluate: Evaluate, columns: dict[str, Any], name: str, value: Any
) -> None:
    values = ["1", value, value] if isinstance(value, str) else [1.0, value, value]

    assert compare(evaluate, {**columns, name: values}) == {
        "refused": f"Row 2 has no finite number {'in' if name == 'score' else 'of 0 or more in'} the column {name!r}.",
        "row": 2,
        "column": name,
    }


def test_spark_reports_types_with_duckdbs_names(spark: Spark, tmp_path: Path) -> None:
    types = [pa.string(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64()]
    types += [pa.decimal128(9, 2), pa.date32()]
    file = written(tmp_path / "a.parquet", {str(kind): pa.nulls(1, kind) for kind in types})

    spark.read_parquet([str(file)])
    with DuckDB(folder=tmp_path) as duckdb:
        duckdb.read_parquet([str(file)])
        assert spark.columns() == duckdb.columns()
