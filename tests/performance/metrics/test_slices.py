"""The metrics of a slice equal those of evaluating its examples alone."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from models_registry import task_types
from performance.metrics import slices
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.result import Evaluation, Slice, UnprocessablePredictionsError
from performance.metrics.slices import MAX_VALUES, MISSING
from performance.metrics.tasks.evaluators import EVALUATORS
from tests.performance.metrics.tables import evaluate_columns, evaluate_file, write_parquet

VALUES = st.sampled_from(["de", "fr", "", " fr ", None])
NUMBERS = st.floats(0.125, 100).map(lambda number: round(number, 3))
PROBABILITIES = st.floats(0.01, 0.99).map(lambda number: round(number, 2))
WEIGHTS = st.sampled_from([0.5, 1.0, 2.0])
MANY = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def _columns(*kinds: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.tuples(VALUES, *kinds), min_size=least, max_size=40)


def _named(rows: list[tuple[Any, ...]], *names: str) -> dict[str, list[Any]]:
    return {name: list(column) for name, column in zip(("country", *names), zip(*rows, strict=True), strict=True)}


def _spelt(value: str | None) -> str:
    return (value or "").strip() or MISSING


def _only(columns: dict[str, list[Any]], value: str | None) -> dict[str, list[Any]]:
    kept = [_spelt(each) == value for each in columns["country"]]
    return {name: [each for each, keep in zip(cells, kept, strict=True) if keep] for name, cells in columns.items()}


def _evaluate(task_type: str, folder: Path, columns: dict[str, Any], **options: Any) -> Evaluation:
    return evaluate_columns(EVALUATORS[task_type], folder, columns, named=Columns(slices=["country"]), **options)


def assert_each_is_alone(task_type: str, folder: Path, columns: dict[str, list[Any]], **options: Any) -> None:
    """Check that the slices by country have the metrics and intervals of evaluating each country's rows alone."""
    found = _evaluate(task_type, folder, columns, **options).slices
    summary = [metric.name for metric in task_types.get(task_type).metrics]
    assert {each.value for each in found} == {_spelt(value) for value in columns["country"]}
    for each in found:
        alone = evaluate_columns(EVALUATORS[task_type], folder, _only(columns, each.value), **options)
        assert each.sample_count == alone.sample_count
        assert list(each.metrics) == summary
        for name, value in each.metrics.items():
            assert value == (alone.metrics[name] and pytest.approx(alone.metrics[name], rel=1e-9, abs=1e-9)), name
        explained = {*alone.intervals_unavailable, *alone.metrics_unavailable}
        assert set(each.intervals_unavailable) == explained & set(summary)
        for name, interval in each.confidence_intervals.items():
            expected = alone.confidence_intervals[name]
            assert (interval.lower, interval.upper) == pytest.approx((expected.lower, expected.upper), rel=1e-6)
            assert interval.method == expected.method


@MANY
@pytest.mark.usefixtures("few_draws")
@given(_columns(st.sampled_from("01"), PROBABILITIES, WEIGHTS))
def test_slices_of_two_classes_equal_their_own_evaluation(tmp_path: Path, rows: list[tuple[Any, ...]]) -> None:
    right = [(value, "1", 0.9, 0.0) for value in {row[0] for row in rows}]  # else some rows alone would be refused
    columns = _named([*rows, *right], "actual", "score", "weight")
    columns["predicted"] = ["1" if score >= 0.5 else "0" for score in columns["score"]]
    assert_each_is_alone("classification", tmp_path, columns, positive_class="1", averaging="binary")


@MANY
@given(_columns(st.integers(-3, 3), NUMBERS, WEIGHTS))
def test_slices_of_regression_equal_their_own_evaluation(tmp_path: Path, rows: list[tuple[Any, ...]]) -> None:
    columns = _named(rows, "error", "actual", "weight")
    columns["predicted"] = [a + error for a, error in zip(columns["actual"], columns["error"], strict=True)]
    assert_each_is_alone("regression", tmp_path, columns)


@MANY
@given(_columns(NUMBERS, NUMBERS, st.sampled_from("abc")))
def test_slices_of_forecasting_equal_their_own_evaluation(tmp_path: Path, rows: list[tuple[Any, ...]]) -> None:
    columns = _named(rows, "actual", "predicted", "series_id")
    columns["scale"] = [{"a": 1.0, "b": 2.0, "c": 0.5}[series] for series in columns["series_id"]]
    assert_each_is_alone("forecasting", tmp_path, columns)


@MANY
@given(st.lists(st.tuples(VALUES, st.lists(st.tuples(st.integers(0, 3), NUMBERS), min_size=1, max_size=6)), min_size=1))
def test_slices_of_ranking_equal_their_own_evaluation(
    tmp_path: Path, queries: list[tuple[Any, list[tuple[int, float]]]]
) -> None:
    rows = [
        (country, f"q{at}", relevance, score)
        for at, (country, items) in enumerate(queries)
        for relevance, score in items
    ]
    assert_each_is_alone("ranking", tmp_path, _named(rows, "query_id", "relevance", "score"), k=3)


@MANY
@pytest.mark.usefixtures("few_draws")
@given(_columns(st.sampled_from("abc"), st.sampled_from("abc"), PROBABILITIES, PROBABILITIES))
def test_classes_that_a_slice_lacks_are_still_among_those_of_its_scores(
    tmp_path: Path, rows: list[tuple[Any, ...]]
) -> None:
    rows = [*rows, *((None, label, label, 0.3, 0.3) for label in "abc")]
    columns = _named(rows, "actual", "predicted", "score_a", "score_b")
    columns["score_a"] = [score / 2 for score in columns["score_a"]]
    columns["score_b"] = [score / 2 for score in columns["score_b"]]
    columns["score_c"] = [1 - a - b for a, b in zip(columns["score_a"], columns["score_b"], strict=True)]
    for each in _evaluate("classification", tmp_path, columns, averaging="macro").slices:
        alone = _only(columns, each.value)
        scores = list(zip(*(alone[f"score_{label}"] for label in "abc"), strict=True))
        assert each.metrics["log_loss"] == pytest.approx(
            sklearn_metrics.log_loss(alone["actual"], scores, labels=["a", "b", "c"]), rel=1e-9
        )
        expected = sklearn_metrics.f1_score(alone["actual"], alone["predicted"], average="macro", zero_division=0)
        assert each.metrics["f1_score"] == pytest.approx(expected, rel=1e-9)


def _bad_slice(count: int = 20) -> dict[str, list[Any]]:
    return {
        "country": ["de"] * count * 3 + ["fr"] * count,
        "actual": ["1"] * count + ["0"] * count * 2 + ["1"] * count,
        "predicted": ["1"] * count + ["0"] * count * 2 + ["0"] * count,
    }


def test_a_slice_in_which_every_prediction_is_wrong_is_the_worst_of_all(tmp_path: Path) -> None:
    found = _evaluate("classification", tmp_path, _bad_slice())

    assert found.metrics["accuracy"] == 0.75
    assert [(each.value, each.sample_count, each.metrics["accuracy"]) for each in found.slices] == [
        ("de", 60, 1.0),
        ("fr", 20, 0.0),
    ]


def test_all_values_past_the_most_frequent_ones_count_together(tmp_path: Path) -> None:
    names = [f"c{at:02d}" for at in range(MAX_VALUES + 3)]
    columns = {
        "country": [name for name in names for _ in range(2)] + names[:MAX_VALUES],
        "actual": [1.0] * (len(names) * 2 + MAX_VALUES),
        "predicted": [2.0] * (len(names) * 2 + MAX_VALUES),
    }
    found = _evaluate("regression", tmp_path, columns).slices

    assert [each.value for each in found] == [*names[:MAX_VALUES], None]
    assert {each.sample_count for each in found[:-1]} == {3}
    assert found[-1].sample_count == 6


def test_each_attribute_has_slices_of_its_own_and_a_repeated_one_counts_once(tmp_path: Path) -> None:
    columns = {**_bad_slice(), "device": ["phone", "tablet"] * 40}
    named = Columns(slices=["device", "country", "device"])
    found = evaluate_columns(EVALUATORS["classification"], tmp_path, columns, named=named).slices

    assert [(each.attribute, each.value) for each in found] == [
        ("device", "phone"),
        ("device", "tablet"),
        ("country", "de"),
        ("country", "fr"),
    ]


def test_rows_without_a_prediction_or_a_weight_are_no_examples_of_a_slice(tmp_path: Path) -> None:
    columns = {
        "country": ["de", "de", "de", "fr", "it"],
        "actual": [1.0, 2.0, 3.0, 4.0, 5.0],
        "predicted": [1.5, 2.5, None, None, 5.0],
        "weight": [1.0, 1.0, 1.0, 1.0, 0.0],
    }
    found = _evaluate("regression", tmp_path, columns, allow_missing=True).slices

    values = {each.value: (each.sample_count, each.metrics.get("mae")) for each in found}
    assert values == {"de": (2, 0.5), "fr": (0, None), "it": (0, None)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, float("nan"), 2.5, None], {"1", "2.5", MISSING}),
        ([True, False, None, True], {"true", "false", MISSING}),
        (["1.0", "1", "True", "true"], {"1", "true"}),
    ],
)
def test_values_do_not_depend_on_the_type_of_their_column(
    tmp_path: Path, values: list[Any], expected: set[str]
) -> None:
    columns = {"country": values, "actual": [1.0] * 4, "predicted": [1.0] * 4}
    assert {each.value for each in _evaluate("regression", tmp_path, columns).slices} == expected


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    columns = {"country": ["x" * 1001, "x" * 1002], "actual": [1.0, 1.0], "predicted": [1.0, 1.0]}
    [found] = _evaluate("regression", tmp_path, columns).slices

    assert (found.value, found.sample_count) == ("x" * 1000, 2)


def test_values_with_quotes_and_line_breaks_are_slices(tmp_path: Path) -> None:
    values = ["it's", 'a "b"', "a\nb", "${x}", "\\", "Ä"]
    columns = {"country": values, "actual": [1.0] * 6, "predicted": [1.0] * 6}
    assert {each.value for each in _evaluate("regression", tmp_path, columns).slices} == set(values)


def test_a_threshold_counts_in_a_slice_of_one_class_too(tmp_path: Path) -> None:
    columns = {"country": ["de", "de", "fr"], "actual": ["0", "1", "1"], "score": [0.2, 0.9, 0.4]}
    found = _evaluate("classification", tmp_path, columns, threshold=0.5).slices

    assert [(each.value, each.metrics["recall"]) for each in found] == [("de", 1.0), ("fr", 0.0)]


def test_an_unknown_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnprocessablePredictionsError, match="There is no column 'country'"):
        _evaluate("regression", tmp_path, {"actual": [1.0], "predicted": [1.0]})


def test_items_of_a_query_need_the_same_value(tmp_path: Path) -> None:
    columns = {"country": ["de", None], "query_id": ["q", "q"], "relevance": [1, 0], "score": [0.9, 0.1]}
    with pytest.raises(UnprocessablePredictionsError, match=r"query 'q' have different values.*'\(missing\)' and 'de'"):
        _evaluate("ranking", tmp_path, columns)


def test_a_value_that_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    columns = {"country": ["a\0b"], "actual": [1.0], "predicted": [1.0]}
    with pytest.raises(UnprocessablePredictionsError, match="'country' contains a NUL"):
        _evaluate("regression", tmp_path, columns)


def test_many_labels_of_many_slices_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "MAX_SLICE_LABELS", 3)
    with pytest.raises(UnprocessablePredictionsError, match="2 slices with up to 2 labels each, 4 together; 3 are the"):
        _evaluate("classification", tmp_path, _bad_slice())


def test_csv_and_parquet_have_the_same_slices(tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text('country,actual,predicted\nde,1,1.5\n,2,3\n"",4,4\n" ",5,5\n')
    found = evaluate_file(EVALUATORS["regression"], file, Columns(slices=["country"])).slices
    columns = {"country": ["de", None, "", " "], "actual": [1.0, 2.0, 4.0, 5.0], "predicted": [1.5, 3.0, 4.0, 5.0]}

    assert found == _evaluate("regression", tmp_path, columns).slices
    assert [each.value for each in found] == [MISSING, "de"]


def test_no_file_of_a_slice_is_left(tmp_path: Path) -> None:
    file = tmp_path / "predictions.parquet"
    write_parquet(file, _bad_slice())
    with DuckDB(folder=tmp_path) as engine:
        engine.read_parquet([str(file)])
        found = EVALUATORS["classification"](engine, Columns(slices=["country"]), Options())

    assert found.slices
    assert list(tmp_path.iterdir()) == [file]


def test_without_slices_there_are_none(tmp_path: Path) -> None:
    found: list[Slice] = list(evaluate_columns(EVALUATORS["classification"], tmp_path, _bad_slice()).slices)
    assert found == []
