"""Labels, scores and files that a classification reads, or refuses."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv as pa_csv

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.tasks import classification
from tests.performance.metrics.classified import OF_BOTH, OF_POSITIVE, OF_SEVERAL, THREE, TWO
from tests.performance.metrics.tables import evaluate_columns, evaluate_file

REFUSED: list[tuple[dict[str, Any], str, int | None]] = [
    ({"actual": [], "predicted": [], "score": []}, "no row", None),
    ({"actual": ["a", None], "predicted": ["a", "a"]}, "no label", 2),
    ({"actual": [1.0, math.nan], "predicted": [1.0, 0.0]}, "no label", 2),
    (
        {"actual": [1.0, 0.0], "predicted": [1.0, math.nan]},
        "1 row has no prediction in the column 'predicted', row 2",
        2,
    ),
    ({"actual": ["a", "b"], "predicted": [None, "a"]}, "1 row has no prediction", 1),
    (
        {"actual": ["a", "b"], "predicted": [None, None]},
        "2 rows have no prediction in the column 'predicted', the first of them row",
        1,
    ),
    ({"actual": ["a", "b", "b"], "predicted": ["a"] * 3, "score": [0.1, 0.5, math.nan]}, "no finite number", 3),
    ({"actual": ["a", "b"], "predicted": ["a"] * 2, "score": [math.inf, 0.5]}, "no finite number", 1),
    ({"actual": ["a", "b"], "predicted": ["a"] * 2, "score": [0.5, None]}, "no finite number", 2),
    ({"actual": ["a", "b"], "predicted": ["a"] * 2, "weight": [1.0, -1.0]}, "0 or more", 2),
    ({"actual": ["a", "b"], "predicted": ["a"] * 2, "weight": [1.0, math.nan]}, "0 or more", 2),
    ({"actual": ["a", "b"], "predicted": ["a"] * 2, "weight": [0.0, 0.0]}, "above 0", None),
    ({"actual": ["a\0", "b"], "predicted": ["a", "b"]}, "contains a NUL character", None),
    ({"actual": [str(at) for at in range(1001)], "predicted": ["0"] * 1001}, "more than 1000 labels", None),
    ({"actual": ["a", "b" * 1001], "predicted": ["a", "b"]}, "at most 1,000 characters in the column 'actual'", 2),
    ({"actual": ["a", "b"], "predicted": ["a", "b" * 1001]}, "at most 1,000 characters in the column 'predicted'", 2),
    ({"actual": ["a", "b"]}, "There is no column 'predicted'", None),
    ({"predicted": ["a", "b"]}, "There is no column 'actual'", None),
]


@pytest.mark.parametrize(("columns", "reason", "row"), REFUSED)
def test_a_row_that_cannot_be_scored_is_refused_with_its_number(
    tmp_path: Path, columns: dict[str, Any], reason: str, row: int | None
) -> None:
    with pytest.raises(UnprocessablePredictionsError, match=reason) as refused:
        evaluate_columns(classification.evaluate, tmp_path, columns)

    assert refused.value.row == row


@pytest.mark.parametrize("group", [None, [str(at // 2) for at in range(12)]])
@pytest.mark.parametrize("averaging", ["macro", "weighted", "micro"])
@pytest.mark.parametrize(("column", "which"), [("actual", "of"), ("predicted", "predicted as")])
def test_weights_of_a_class_that_vanish_beside_the_others_are_refused(
    tmp_path: Path, column: str, which: str, averaging: str, group: list[str] | None
) -> None:
    columns: dict[str, Any] = {"actual": ["a", "b", "c", "b"] * 3, "predicted": ["b", "a", "c", "b"] * 3}
    columns |= {"group": group} if group else {}

    def evaluate(tiny: float) -> Evaluation:
        columns["weight"] = [tiny if label == "a" else 1.0 for label in columns[column]]
        return evaluate_columns(classification.evaluate, tmp_path, columns, averaging=averaging)

    for tiny in (1e-101, 1e-160, 1e-200, 5e-324):
        with pytest.raises(UnprocessablePredictionsError, match=f"of the examples {which} the class 'a' are less than"):
            evaluate(tiny)
    assert evaluate(1e-99).metrics["accuracy"] == pytest.approx(6 / 9)
    assert evaluate(0.0).metrics["accuracy"] == pytest.approx(6 / 9)


def test_missing_predictions_are_counted_if_allowed(tmp_path: Path) -> None:
    columns = {"actual": ["a", "b", "b"], "predicted": ["a", None, "b"], "score": [0.1, 0.2, 0.9]}

    found = evaluate_columns(classification.evaluate, tmp_path, columns, allow_missing=True)

    assert (found.rows, found.sample_count, found.metrics["accuracy"]) == (3, 2, 1.0)
    assert found.metrics["roc_auc"] == 1.0


@pytest.mark.parametrize("name", ["truth", "confidence", "brier", "correct", "w", "bin", "loss", "third", "label"])
def test_extra_columns_with_any_name_are_ignored(tmp_path: Path, name: str) -> None:
    columns: dict[str, Any] = {"actual": ["a", "b", "b"], "predicted": ["a", "a", "a"], "score": [0.1, 0.4, 0.3]}

    assert evaluate_columns(classification.evaluate, tmp_path, {**columns, name: [0.2, 0.5, 9.0]}) == (
        evaluate_columns(classification.evaluate, tmp_path, columns)
    )


@pytest.mark.parametrize("options", [{}, {"threshold": 0.7}])
def test_an_empty_label_may_be_the_positive_one(tmp_path: Path, options: dict[str, Any]) -> None:
    columns = {"actual": ["", "b", ""], "predicted": ["", "b", "b"], "score": [0.9, 0.1, 0.8]}

    found = evaluate_columns(classification.evaluate, tmp_path, columns, positive_class="", **options)

    assert (found.positive_class, found.metrics["roc_auc"]) == ("", 1.0)


@pytest.mark.parametrize("values", [["model", None, "x", "y", "z"], [-3.5, 7.0, math.nan, math.inf, 0.0]])
@pytest.mark.parametrize("scores", [{"score": OF_POSITIVE}, OF_BOTH, OF_SEVERAL])
def test_columns_that_only_look_like_scores_are_ignored(
    tmp_path: Path, scores: dict[str, Any], values: list[Any]
) -> None:
    columns = {**(THREE if scores is OF_SEVERAL else TWO), **scores}

    found = evaluate_columns(classification.evaluate, tmp_path, {**columns, "score_source": values})

    assert found == evaluate_columns(classification.evaluate, tmp_path, columns)


def test_a_row_without_prediction_needs_no_score(tmp_path: Path) -> None:
    columns = {"actual": ["a", "b", "b"], "predicted": ["a", None, "b"], "score": [0.1, None, 0.9]}

    assert evaluate_columns(classification.evaluate, tmp_path, columns, allow_missing=True).metrics["roc_auc"] == 1.0


FORMS: list[tuple[list[Any], list[Any], dict[str, int]]] = [
    ([1, 0, 1], [1.0, 0.0, 0.0], {"0": 1, "1": 2}),
    (["1", "0", "1"], ["1.0", "0.00", "0.0"], {"0": 1, "1": 2}),
    (["-3", "12", "12"], ["-3.0", "12.0", "-3.0"], {"-3": 1, "12": 2}),
    ([True, False, True], ["True", "FALSE", "false"], {"false": 1, "true": 2}),
    (["true", "False", "TRUE"], [True, False, False], {"false": 1, "true": 2}),
]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize(("actual", "predicted", "supports"), FORMS)
def test_equal_labels_in_different_formats_are_equal(
    tmp_path: Path, actual: list[Any], predicted: list[Any], supports: dict[str, int], suffix: str
) -> None:
    file = tmp_path / f"predictions{suffix}"
    table = pa.table({"actual": actual, "predicted": predicted})
    (pq.write_table if suffix == ".parquet" else pa_csv.write_csv)(table, file)

    found = evaluate_file(classification.evaluate, file)

    assert {label: values["support"] for label, values in found.per_class.items()} == supports
    assert found.metrics["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("predicted", [[1, 0, 0], [1.0, 0.0, 0.0]])
def test_booleans_compared_with_numbers_are_numbers(tmp_path: Path, predicted: list[Any]) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, {"actual": [True, False, True], "predicted": predicted})

    assert found.confusion_matrix == {"labels": ["0", "1"], "counts": [[1, 0], [1, 1]]}


@pytest.mark.parametrize(
    "label", ["1.01", ".0", "x.0", "1.0.0", "1" * 19 + ".0", "tRUE", "10", "-.0", "007", "1e99", "é"]
)
def test_other_text_labels_are_unchanged(tmp_path: Path, label: str) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, {"actual": [label, "b"], "predicted": [label, "b"]})

    assert set(found.per_class) == {label, "b"}


@pytest.mark.parametrize("options", [{}, {"threshold": 0.5}])
def test_the_positive_class_and_score_columns_accept_any_label_format(tmp_path: Path, options: dict[str, Any]) -> None:
    columns = {"actual": ["True", "False"], "predicted": ["True", "False"]}
    scores = {"score_True": [0.9, 0.1], "score_False": [0.1, 0.9]}

    found = evaluate_columns(classification.evaluate, tmp_path, columns | scores, positive_class="False", **options)

    assert (found.positive_class, found.metrics["roc_auc"]) == ("false", 1.0)


def test_any_finite_number_is_a_valid_label(tmp_path: Path) -> None:
    found = evaluate_columns(
        classification.evaluate, tmp_path, {"actual": [1.0, 0.5, -0.0], "predicted": [1.0, 1e300, -0.0]}
    )

    assert set(found.per_class) == {"0", "0.5", "1", "1e+300"}


@pytest.mark.usefixtures("few_draws")
def test_a_file_with_a_flipped_bit_is_scored_or_refused(tmp_path: Path) -> None:
    columns = {"actual": ["a", "b"] * 50, "predicted": ["a", "b"] * 50, "score": [0.1, 0.9] * 50}
    evaluate_columns(classification.evaluate, tmp_path, columns)
    good, rng = (tmp_path / "predictions.parquet").read_bytes(), np.random.default_rng(20260313)
    outcomes: set[type] = set()
    for _ in range(60):
        flipped = bytearray(good)
        flipped[rng.integers(len(good))] ^= 1 << rng.integers(8)
        outcomes.add(type(outcome(tmp_path, flipped)))

    assert outcomes == {Evaluation, UnprocessablePredictionsError}


@pytest.mark.parametrize("kept", [8, 100, 0.9])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: float) -> None:
    columns = {"actual": ["a", "b"] * 50, "predicted": ["a", "b"] * 50}
    evaluate_columns(classification.evaluate, tmp_path, columns)
    whole = (tmp_path / "predictions.parquet").read_bytes()

    refused = outcome(tmp_path, whole[: int(len(whole) * kept) if kept < 1 else int(kept)])

    assert "cannot be read" in str(refused)


def outcome(folder: Path, content: bytes | bytearray) -> Evaluation | UnprocessablePredictionsError:
    """Evaluate a damaged file with an engine of its own, as damage may make DuckDB refuse all that follows."""
    file = folder / "damaged.parquet"
    file.write_bytes(content)
    try:
        with DuckDB(folder=folder) as engine:
            engine.read_parquet([str(file)])
            return classification.evaluate(engine, Columns(), Options())
    except UnprocessablePredictionsError as refused:
        return refused
