"""Evaluations on Apache Spark equal those on DuckDB, including their errors."""

import datetime
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from performance.metrics.engines.base import Engine
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.engines.spark import Spark
from performance.metrics.inputs.column_mapping import is_finite, is_missing, number_sql, value_sql
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.tasks import classification, forecasting, ranking, regression
from performance.metrics.tasks.evaluators import evaluate
from tests.cases import CASES, Case
from tests.performance.metrics import (
    test_classification,
    test_examples,
    test_forecasting,
    test_ranking,
    test_regression,
)
from tests.performance.metrics.tables import Evaluate

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark_is_there")]

FIXTURES = Path(__file__).parents[3] / "fixtures" / "predictions"
REGRESSION = [file for name in ("diabetes", "wine-alcohol") for file in sorted((FIXTURES / name).glob("*-test.csv"))]

# Spark's plans are for many rows. For a few, it spends nearly all its time on compiling Java that runs once.
FOR_FEW_ROWS = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
}

Compare = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def spark(spark_is_there: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """Spark on this machine, shared by all tests, as it takes seconds to start.

    `test_evaluate_on_spark.py` has the settings of the service.
    """
    from pyspark.sql import SparkSession

    with Spark("local[2]", folder=tmp_path_factory.mktemp("spark")) as engine:
        for name, value in FOR_FEW_ROWS.items():
            SparkSession.active().conf.set(name, value)
        yield engine


@pytest.fixture
def compare(spark: Spark, tmp_path: Path) -> Compare:
    """Return a function that evaluates files or columns on both engines, and checks that they agree."""

    def on_both(
        evaluate: Evaluate, given: Any, columns: Columns | None = None, *, intervals: float = 1e-12, **options: Any
    ) -> dict[str, Any]:
        files = given if isinstance(given, list) else [_written(tmp_path / "predictions.parquet", given)]
        found = _outcome(spark, evaluate, files, columns, options)
        with DuckDB(folder=tmp_path) as duckdb:
            expected = _outcome(duckdb, evaluate, files, columns, options)
        assert_close(found.pop("confidence_intervals", {}), expected.pop("confidence_intervals", {}), within=intervals)
        assert_close(found, expected)
        return found

    return on_both


def _written(file: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), file)
    return file


def _outcome(
    engine: Engine, evaluate: Evaluate, files: list[Path], columns: Columns | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Return an evaluation as a document, or the reason why it is refused."""
    try:
        (engine.read_csv if files[0].suffix == ".csv" else engine.read_parquet)(list(map(str, files)))
        return asdict(evaluate(engine, columns or Columns(), Options(**options)))
    except UnprocessablePredictionsError as error:
        return {"refused": str(error), "row": error.row, "column": error.column}


def assert_close(one: Any, other: Any, at: str = "", *, within: float = 1e-12) -> None:
    """Check that two documents are equal, except for a relative difference of floats."""
    assert type(one) is type(other), at
    if isinstance(one, Mapping):
        assert list(one) == list(other), at
        for name in one:
            assert_close(one[name], other[name], f"{at}.{name}", within=within)
    elif isinstance(one, Sequence) and not isinstance(one, str):
        assert len(one) == len(other), at
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_close(left, right, f"{at}[{index}]", within=within)
    else:
        expected = pytest.approx(other, rel=within, abs=within) if isinstance(other, float) else other
        assert one == expected, at


@pytest.mark.parametrize(
    ("file", "snapshot"), [each for each in test_classification.MEASURED if each[0].stem.endswith("-test")]
)
def test_spark_scores_the_classification_fixtures_like_scikit_learn(
    compare: Compare, file: Path, snapshot: dict[str, Any]
) -> None:
    found = compare(classification.evaluate, [file])

    assert found["sample_count"] == snapshot["sample_count"]
    for name, value in snapshot["metrics"].items():
        assert found["metrics"][name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("file", REGRESSION, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_spark_scores_the_regression_fixtures_like_duckdb(compare: Compare, file: Path) -> None:
    assert compare(regression.evaluate, [file])["metrics"]["rmse"] > 0


@pytest.mark.parametrize("options", [{"averaging": "macro"}, {"averaging": "micro"}])
def test_spark_averages_like_duckdb(compare: Compare, options: dict[str, Any]) -> None:
    assert compare(classification.evaluate, [FIXTURES / "digits" / "ver-00003-test.csv"], **options)["averaging"]


@pytest.mark.parametrize("options", [{"threshold": 0.25}, {"positive_class": "benign"}])
def test_spark_applies_thresholds_and_positive_classes_like_duckdb(compare: Compare, options: dict[str, Any]) -> None:
    assert compare(classification.evaluate, [FIXTURES / "breast-cancer" / "ver-00003-test.csv"], **options)["metrics"]


# An interval of no width, as where all examples cost the same, has the square root of what rounding leaves: 1e-8.
ROUNDED = 1e-7

made_up = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=8, derandomize=True
)


@given(columns=test_classification.predictions())
@made_up
def test_spark_scores_random_classes_like_duckdb(compare: Compare, columns: dict[str, Any]) -> None:
    assert compare(classification.evaluate, columns, intervals=ROUNDED)["metrics"]


@given(columns=test_regression.predictions())
@made_up
def test_spark_scores_random_numbers_like_duckdb(compare: Compare, columns: dict[str, Any]) -> None:
    assert compare(regression.evaluate, columns, intervals=ROUNDED)["metrics"]


@given(columns=test_forecasting.forecasts())
@made_up
def test_spark_scores_random_forecasts_like_duckdb(compare: Compare, columns: dict[str, Any]) -> None:
    assert compare(forecasting.evaluate, columns, intervals=ROUNDED)["metrics"]


@given(items=st.lists(test_ranking.ITEM, min_size=1, max_size=40), k=st.integers(1, 6))
@made_up
def test_spark_scores_random_rankings_like_duckdb(
    compare: Compare, items: list[tuple[str, int, float]], k: int
) -> None:
    query, relevance, score = map(list, zip(*items, strict=True))

    columns = {"query_id": query, "relevance": relevance, "score": score}
    assert compare(ranking.evaluate, columns, intervals=ROUNDED, k=k)["metrics"]


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


def test_spark_accepts_unusual_column_names(compare: Compare) -> None:
    columns: dict[str, Any] = {"a.b": ["a", "b"], "A.B": ["b", "b"], "x`y": ["a", "a"], 'q"z': [0.1, 0.2], "é ": [1, 2]}
    named = Columns(actual="a.b", predicted="x`y", score='q"z', attributes=["é "])

    assert compare(classification.evaluate, columns, named)["metrics"]["accuracy"] == 0.5


@pytest.mark.parametrize(("columns", "reason", "row"), test_classification.REFUSED)
def test_a_row_that_cannot_be_scored_is_refused_with_its_number(
    compare: Compare, columns: dict[str, Any], reason: str, row: int | None
) -> None:
    found = compare(classification.evaluate, columns)

    assert reason in found["refused"]
    assert found["row"] == row


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.task_type}-{'-'.join(case.options)}")
def test_spark_evaluates_or_refuses_every_case_like_duckdb(compare: Compare, tmp_path: Path, case: Case) -> None:
    found = compare(partial(evaluate_task, case.task_type), [case.write(tmp_path)], intervals=ROUNDED, **case.options)

    assert ("refused" in found) == (case.refusal is not None)


def evaluate_task(task_type: str, engine: Engine, columns: Columns, options: Options) -> Evaluation:
    return evaluate(engine, task_type, columns, options)


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
    file = _written(tmp_path / "predictions.parquet", {"text": NUMBERS_AS_TEXTS})

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


@pytest.mark.parametrize(("task_type", "table"), test_examples.TABLES)
def test_spark_finds_the_same_digest(compare: Compare, task_type: str, table: dict[str, Any]) -> None:
    assert compare(partial(evaluate_task, task_type), table, intervals=ROUNDED)["examples_digest"]


def test_spark_refuses_a_repeated_example_with_its_row(compare: Compare) -> None:
    table = {"example_id": ["x", "y", "z", "y"], "actual": [1, 2, 3, 4], "predicted": [1, 2, 3, 4]}

    assert compare(partial(evaluate_task, "regression"), table)["row"] == 2


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


def test_spark_allows_missing_predictions(compare: Compare) -> None:
    columns = {"actual": ["a", "b", "b"], "predicted": ["a", None, "b"], "score": [0.1, 0.2, 0.9]}

    found = compare(classification.evaluate, columns, allow_missing=True)

    assert (found["rows"], found["sample_count"]) == (3, 2)


def test_spark_names_the_first_invalid_row_of_several_files(compare: Compare, tmp_path: Path) -> None:
    rows = 30_000
    files = [tmp_path / "b.parquet", tmp_path / "a.parquet"]
    for at, file in enumerate(files):
        predicted = [1.0] * rows
        if at == 1:
            predicted[rows // 2] = predicted[-1] = math.nan
        pq.write_table(pa.table({"actual": [1.0] * rows, "predicted": predicted}), file, row_group_size=5_000)

    assert compare(regression.evaluate, files)["row"] == rows + rows // 2 + 1


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
        _written(folder / f"{other}.parquet", {"actual": ["a", "b"], "predicted": ["a", other]})

    assert compare(classification.evaluate, [folder / f"{name}.parquet"])["sample_count"] == 2


@pytest.mark.parametrize("name", ["a:b.parquet", "_a.parquet", ".a.parquet"])
def test_spark_refuses_files_that_it_would_skip(spark: Spark, tmp_path: Path, name: str) -> None:
    file = _written(tmp_path / name, {"actual": ["a"], "predicted": ["a"]})

    with pytest.raises(UnprocessablePredictionsError, match="Spark cannot read a file"):
        spark.read_parquet([str(file)])


@pytest.mark.parametrize("content", [b"", b"actual,predicted\na,a\n", b"PAR1 is not enough PAR1"])
def test_spark_refuses_files_that_are_not_parquet(spark: Spark, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "predictions.parquet"
    file.write_bytes(content)

    assert "cannot be read" in _outcome(spark, classification.evaluate, [file], None, {})["refused"]


def test_spark_refuses_a_damaged_file(spark: Spark, tmp_path: Path) -> None:
    file = _written(tmp_path / "predictions.parquet", {"actual": ["a", "b"] * 999, "predicted": ["a", "b"] * 999})
    content = file.read_bytes()
    file.write_bytes(content[:4] + b"\xff" * 200 + content[204:])

    assert "cannot be read" in _outcome(spark, classification.evaluate, [file], None, {})["refused"]


@pytest.mark.parametrize("other", [{"actual": ["a"]}, {"actual": ["a"], "predicted": [1]}])
def test_spark_refuses_files_with_different_columns(spark: Spark, tmp_path: Path, other: dict[str, Any]) -> None:
    files = [_written(tmp_path / "a.parquet", {"actual": ["a"], "predicted": ["a"]})]
    files += [_written(tmp_path / "b.parquet", other)]

    assert "different columns" in _outcome(spark, classification.evaluate, files, None, {})["refused"]


def test_spark_reports_types_with_duckdbs_names(spark: Spark, tmp_path: Path) -> None:
    types = [pa.string(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64()]
    types += [pa.decimal128(9, 2), pa.date32()]
    file = _written(tmp_path / "a.parquet", {str(kind): pa.nulls(1, kind) for kind in types})

    spark.read_parquet([str(file)])
    with DuckDB(folder=tmp_path) as duckdb:
        duckdb.read_parquet([str(file)])
        assert spark.columns() == duckdb.columns()


def test_spark_reports_progress_from_0_to_1(spark: Spark, tmp_path: Path) -> None:
    spark.read_parquet([str(_written(tmp_path / "a.parquet", {"actual": ["a"]}))])
    before = spark.statements

    assert spark.rows("SELECT count(*) FROM predictions") == [(1,)]

    assert spark.statements == before + 1
    assert 0 <= spark.progress() <= 1


def test_slices_are_those_of_duckdb(compare: Compare) -> None:
    columns = {
        "country": ["it's", None, " b ", "1.0", "${x}", "b"] * 10,
        "size": [1.0, 2.5, math.nan, None, 1.0, 3.0] * 10,
        "actual": ["0", "1", "1", "0", "1"] * 12,
        "predicted": ["0", "1", "0", "0", "1", "1"] * 10,
        "score": [at / 60 for at in range(60)],
    }
    found = compare(classification.evaluate, columns, Columns(slices=["country", "size"]))

    assert {(each["attribute"], each["value"]) for each in found["slices"]} == {
        *(("country", value) for value in ("it's", "(missing)", "b", "1", "${x}")),
        *(("size", value) for value in ("1", "2.5", "(missing)", "3")),
    }
    assert compare(regression.evaluate, {"actual": [1.0], "predicted": [2.0]}, Columns(slices=["country"]))["refused"]
