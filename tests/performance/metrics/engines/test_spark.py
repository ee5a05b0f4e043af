"""Evaluations on Apache Spark equal those on DuckDB, including their errors."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from performance.metrics.engines.spark import Spark
from performance.metrics.inputs.options import Columns
from performance.metrics.tasks import classification, forecasting, ranking, regression
from tests.cases import CASES, Case
from tests.performance.metrics import (
    test_classification,
    test_examples,
    test_forecasting,
    test_ranking,
    test_regression,
)
from tests.performance.metrics.engines.agreement import ROUNDED, Compare, evaluate_task, written

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark_is_there")]


FIXTURES = Path(__file__).parents[4] / "fixtures" / "predictions"


REGRESSION = [file for name in ("diabetes", "wine-alcohol") for file in sorted((FIXTURES / name).glob("*-test.csv"))]


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


def test_spark_sorts_many_scores_in_ranges(compare: Compare, spark: Spark, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [at * at % 31 / 30 for at in range(200)]  # with many ties
    two = {"actual": ["no", "yes", "yes"] * 66, "predicted": ["no", "yes"] * 99, "score": scores[:198]}
    several: dict[str, Any] = {
        f"score_{label}": [share * score for score in scores] for label, share in (("a", 0.5), ("b", 0.2))
    }
    several |= {"actual": ["a", "b", "c", "a"] * 50, "predicted": ["a", "b", "c", "b", "a"] * 40, "score_c": scores}
    before = spark.statement_count
    compare(classification.evaluate, two)
    needed = spark.statement_count - before

    monkeypatch.setattr(spark, "rows_per_sort", 30)
    compare(classification.evaluate, two)

    assert spark.statement_count - before == 2 * needed + 1  # one more finds the ranges
    for table in (two | {"weight": [0.5, 1, 2] * 66}, two | {"score": [0.5] * 198}, several):
        compare(classification.evaluate, table)


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


@given(items=st.lists(test_ranking.ITEM, min_size=1, max_size=40), k=st.integers(1, 6), grouped=st.booleans())
@made_up
def test_spark_scores_random_rankings_like_duckdb(
    compare: Compare, items: list[tuple[str, int, float]], k: int, grouped: bool
) -> None:
    query, relevance, score = map(list, zip(*items, strict=True))

    columns = {"query_id": query, "relevance": relevance, "score": score}
    if grouped:
        columns["group"] = [str(each in "ab") for each in query]
    assert compare(ranking.evaluate, columns, intervals=ROUNDED, k=k)["metrics"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.task_type}-{'-'.join(case.options)}")
def test_spark_evaluates_or_refuses_every_case_like_duckdb(compare: Compare, tmp_path: Path, case: Case) -> None:
    found = compare(partial(evaluate_task, case.task_type), [case.write(tmp_path)], intervals=ROUNDED, **case.options)

    assert ("refused" in found) == (case.refusal is not None)


FLOATS_AS_IDS = {"example_id": ["1.0", "-2.0", "x.0", "1.5"], "group": [1.0, 2.0, 2.5, 1.0], "actual": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("task_type", "table"),
    [*test_examples.TABLES, ("regression", {**FLOATS_AS_IDS, "predicted": FLOATS_AS_IDS["actual"]})],
)
def test_spark_finds_the_same_digest(compare: Compare, task_type: str, table: dict[str, Any]) -> None:
    assert compare(partial(evaluate_task, task_type), table, intervals=ROUNDED)["examples_digest"]


def test_spark_allows_missing_predictions(compare: Compare) -> None:
    columns = {"actual": ["a", "b", "b"], "predicted": ["a", None, "b"], "score": [0.1, 0.2, 0.9]}

    found = compare(classification.evaluate, columns, allow_missing=True)

    assert (found["rows"], found["sample_count"]) == (3, 2)


def test_spark_reports_progress_from_0_to_1(spark: Spark, tmp_path: Path) -> None:
    spark.read_parquet([str(written(tmp_path / "a.parquet", {"actual": ["a"]}))])
    before = spark.statement_count

    assert spark.rows("SELECT count(*) FROM predictions") == [(1,)]

    assert spark.statement_count == before + 1
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


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rows_that_are_left_out_are_those_of_duckdb(compare: Compare, task: str) -> None:
    columns = {
        "country": ["de", "de", "fr", "fr", "nz", "ch"] * 10,
        "actual": [0, 1, 1, 0, 1, 0] * 10,
        "predicted": [0, 1, None, None, 1, 1] * 10,
        "weight": [1.0, 1.0, 1.0, 0.5, 0.0, 1.0] * 10,
    }
    found = compare(
        partial(evaluate_task, task), columns, Columns(slices=["country"]), intervals=ROUNDED, allow_missing=True
    )

    assert (found["missing_fraction"], found["sample_count"]) == (0.4, 30)
    assert [each["value"] for each in found["slices"] if each["sample_count"] == 0] == ["fr", "nz"]
