"""The names of columns: named columns must exist, and apply to the task type."""

import re
from pathlib import Path
from typing import Any

import pytest

from performance.metrics.inputs.options import Columns, Options, inapplicable_columns, parse_columns
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.tasks.evaluators import EVALUATORS, evaluate
from tests.performance.metrics.tables import Evaluate, evaluate_file, export_columns, read_file, write_parquet

NUMBERS: dict[str, Any] = {"actual": [1.0, 2.0], "predicted": [1.5, 2.5]}
ITEMS: dict[str, Any] = {"query_id": [1, 1], "relevance": [0, 1], "score": [0.5, 0.25]}
ABSENT = [
    ("classification", NUMBERS, "score"),
    ("classification", NUMBERS, "weight"),
    ("classification", NUMBERS, "example_id"),
    ("regression", NUMBERS, "weight"),
    ("forecasting", NUMBERS, "series"),
    ("forecasting", NUMBERS, "horizon"),
    ("forecasting", NUMBERS, "scale"),
    ("ranking", ITEMS, "query"),
    ("ranking", ITEMS, "score"),
]


def evaluate_named(evaluate: Evaluate, folder: Path, columns: dict[str, Any], named: Columns) -> Evaluation:
    write_parquet(folder / "predictions.parquet", columns)
    return evaluate_file(evaluate, folder / "predictions.parquet", named)


@pytest.mark.parametrize("name", ["nowhere", "/etc/passwd", "../secret", "*", 'a"; DROP TABLE x; --', "read_text('x')"])
@pytest.mark.parametrize(("task", "columns", "kind"), ABSENT)
def test_a_named_column_that_is_missing_is_refused(
    tmp_path: Path, task: str, columns: dict[str, Any], kind: str, name: str
) -> None:
    with pytest.raises(UnprocessablePredictionsError, match=re.escape(f"There is no column {name!r}")) as refused:
        evaluate_named(EVALUATORS[task], tmp_path, columns, parse_columns({kind: name}))

    assert refused.value.column == name


EXCLUDED = {
    "weight": ["actual", "predicted"],
    "group": ["actual", "predicted", "weight"],
    "example_id": ["actual", "predicted", "weight"],
}


@pytest.mark.parametrize(
    ("task", "columns", "named", "column"),
    [
        ("classification", {"label": ["a", "b"]}, {"actual": "label", "predicted": "label"}, "label"),
        ("classification", {"predicted": ["a", "b"]}, {"actual": "predicted"}, "predicted"),
        ("classification", {"y_true": ["a", "b"]}, {"predicted": "y_true"}, "y_true"),
        ("classification", {"actual": [0, 1], "predicted": [0, 1]}, {"score": "actual"}, "actual"),
        ("classification", {"actual": [0, 1], "predicted": [0, 1]}, {"scores": {"1": "actual"}}, "actual"),
        ("regression", NUMBERS, {"predicted": "actual"}, "actual"),
        ("ranking", ITEMS, {"score": "relevance"}, "relevance"),
        *(
            (task, {**NUMBERS, "series_id": ["s", "t"], "weight": [1.0, 0.5]}, {role: column}, column)
            for task in ("classification", "regression", "forecasting")
            for role, columns in EXCLUDED.items()
            for column in columns
        ),
        ("regression", {"weight": [1.0, 2.0], "predicted": [1.0, 2.0]}, {"actual": "weight"}, "weight"),
        ("classification", {**NUMBERS, "score": [0.5, 0.25]}, {"weight": "score"}, "score"),
        ("classification", {**NUMBERS, "score_2": [0.5, 0.25]}, {"weight": "score_2"}, "score_2"),
        ("classification", {**NUMBERS, "p": [0.5, 0.25]}, {"weight": "p", "scores": {"2": "p"}}, "p"),
        ("forecasting", {**NUMBERS, "series_id": [1, 2]}, {"weight": "series_id"}, "series_id"),
        ("ranking", ITEMS, {"query": "relevance"}, "relevance"),
        ("ranking", ITEMS, {"group": "score"}, "score"),
    ],
)
def test_one_column_cannot_be_of_two_kinds(
    tmp_path: Path, task: str, columns: dict[str, Any], named: dict[str, Any], column: str
) -> None:
    """Every prediction would be right, or those that are would count more, and pass any gate."""
    write_parquet(tmp_path / "predictions.parquet", columns)

    with pytest.raises(UnprocessablePredictionsError, match=f"The column '{column}' is both") as refused:
        evaluate(read_file(tmp_path / "predictions.parquet"), task, parse_columns(named), Options())

    assert refused.value.column == column


@pytest.mark.parametrize(
    ("task", "columns", "named"),
    [
        ("regression", {**NUMBERS, "id": [1, 2]}, {"example_id": "id", "group": "id"}),
        ("forecasting", {**NUMBERS, "id": [1, 2]}, {"series": "id", "group": "id"}),
        ("ranking", ITEMS, {"group": "query_id"}),
        ("classification", {"score_band": ["a", "b"], "predicted": ["a", "b"]}, {"actual": "score_band"}),
        ("classification", {"actual": [0, 1], "predicted": [0, 1]}, {"score": "predicted"}),
        ("regression", {**NUMBERS, "country": ["CH", "FR"]}, {"group": "country", "slices": ["country", "actual"]}),
    ],
)
def test_one_column_may_have_several_roles_of_a_kind(
    tmp_path: Path, task: str, columns: dict[str, Any], named: dict[str, Any]
) -> None:
    write_parquet(tmp_path / "predictions.parquet", columns)

    found = evaluate(read_file(tmp_path / "predictions.parquet"), task, parse_columns(named), Options())

    assert found.evaluation_options["columns"].items() >= named.items()  # type: ignore[attr-defined]


def test_forecast_columns_may_have_other_names(tmp_path: Path) -> None:
    usual = {"series_id": [1, 2], "horizon": [1, 2], "scale": [0.5, 2.0], "example_id": ["a", "b"]}
    other = dict(zip(["shop", "ahead", "naive", "example_id"], usual.values(), strict=True))
    named = Columns(series="shop", horizon="ahead", scale="naive")

    assert evaluate_named(EVALUATORS["forecasting"], tmp_path, {**NUMBERS, **other}, named) == (
        evaluate_named(EVALUATORS["forecasting"], tmp_path, {**NUMBERS, **usual}, Columns())
    )
    digests = []
    for columns, names in ((usual, Columns()), (other, named)):
        file = export_columns("forecasting", tmp_path, {**NUMBERS, **columns}, columns=names)
        assert file is not None
        digests.append(file.read_bytes())
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("task", "columns", "inapplicable"),
    [
        ("classification", Columns(), []),
        ("classification", Columns(actual="y", scores={"a": "p"}, attributes=["age"]), []),
        ("classification", Columns(series="shop", relevance="gain"), ["series", "relevance"]),
        ("regression", Columns(score="p", weight="w"), ["score"]),
        ("forecasting", Columns(series="shop", horizon="h", scale="s"), []),
        ("ranking", Columns(query="q", relevance="r", score="s"), []),
        ("ranking", Columns(actual="y", attributes=["age"]), ["actual", "attributes"]),
        ("ranking", Columns(actual="actual", attributes=[]), []),
    ],
)
def test_columns_that_do_not_apply_to_the_task_type_are_reported(
    task: str, columns: Columns, inapplicable: list[str]
) -> None:
    assert inapplicable_columns(task, columns) == inapplicable


def test_the_default_columns_apply_to_every_task_type() -> None:
    assert [inapplicable_columns(task, Columns()) for task in EVALUATORS] == [[]] * len(EVALUATORS)
