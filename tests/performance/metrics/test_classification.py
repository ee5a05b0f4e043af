"""Evaluation of classification, compared with scikit-learn on the fixtures and on random predictions."""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyarrow import csv as pa_csv
from scipy import stats
from sklearn import metrics as sk

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.statistics.estimates import NO_INTERVAL, UNDEFINED
from performance.metrics.statistics.intervals import wilson
from performance.metrics.tasks import classification
from tests.performance.metrics.tables import EACH_EVALUATES, evaluate_columns, evaluate_file, values_by_interval_name

FIXTURES = Path(__file__).parents[3] / "fixtures"
SEED = json.loads((FIXTURES / "seed.json").read_text())
MEASURED = [
    (FIXTURES / "predictions" / model["name"] / f"{version['version_id']}-{snapshot['dataset_split']}.csv", snapshot)
    for model in SEED["models"]
    if model["task_type"] == "classification" and model["name"] != "churn"
    for version in model["versions"]
    for snapshot in version["snapshots"]
]


@pytest.mark.parametrize(("file", "snapshot"), MEASURED)
def test_evaluations_of_the_fixtures_equal_their_snapshots(
    tmp_path: Path, file: Path, snapshot: dict[str, Any]
) -> None:
    found = evaluate_file(classification.evaluate, file)

    assert found.sample_count == found.rows == snapshot["sample_count"]
    for name, value in snapshot["metrics"].items():
        assert found.metrics[name] == pytest.approx(value, abs=1e-9), name


LABELS: list[list[Any]] = [
    ["no", "yes"],
    [0, 1],
    [9, 10],
    [-1, 1],
    [False, True],
    ["Ünïcode", "\U0001f4a3"],
    ["", "x y"],
    ["it's", 'a "b"'],
    ["a", "b", "c"],
    [1, 2, 10],
    ["\u202e", "e\u0301", "\u00e9", "x" * 300],
]
SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.75, 1.0]) | st.floats(0, 1)


@st.composite
def predictions(draw: st.DrawFn) -> dict[str, Any]:
    """Columns of actual and predicted labels and scores, with or without weights."""
    labels = draw(st.sampled_from(LABELS))
    pairs = draw(st.lists(st.tuples(st.sampled_from(labels), st.sampled_from(labels)), min_size=1, max_size=40))
    columns: dict[str, Any] = {"actual": [one for one, _ in pairs], "predicted": [other for _, other in pairs]}
    assume(set(columns["actual"]) & set(columns["predicted"]))  # otherwise the labels are refused
    if len(labels) == 2:
        columns["score"] = draw(st.lists(SCORES, min_size=len(pairs), max_size=len(pairs)))
    else:
        for label, values in zip(labels, np.array(draw(rows_of(len(labels), len(pairs)))).T, strict=True):
            columns[f"score_{label}"] = values.tolist()
    if draw(st.booleans()):
        weights = st.lists(
            st.sampled_from([0.5, 1.0, 2.0]) | st.floats(0.01, 10), min_size=len(pairs), max_size=len(pairs)
        )
        columns["weight"] = draw(weights)
    return columns


def rows_of(width: int, length: int) -> st.SearchStrategy[list[list[float]]]:
    """Return rows of probabilities that sum to one."""
    row = st.lists(st.sampled_from([1.0, 1.0, 2.0]) | st.floats(0.01, 1), min_size=width, max_size=width)
    return st.lists(row.map(lambda values: [value / sum(values) for value in values]), min_size=length, max_size=length)


@given(columns=predictions())
@EACH_EVALUATES
@pytest.mark.usefixtures("few_draws")
def test_every_metric_equals_that_of_scikit_learn(tmp_path: Path, columns: dict[str, Any]) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, columns)
    actual, predicted = columns["actual"], columns["predicted"]
    labels = sorted({*actual, *predicted})
    names = [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = sk.confusion_matrix(actual, predicted, labels=labels).tolist()
        expected = expectations(columns, labels, found.positive_class)
    assert found.confusion_matrix == {"labels": names, "counts": counts}
    for name, value in expected.items():
        assert_close(name, found, value)
    for name, interval in found.confidence_intervals.items():
        estimate = values_by_interval_name(found)[name]
        assert estimate is not None
        assert interval.lower - 1e-9 <= estimate <= interval.upper + 1e-9, name


def assert_close(name: str, found: Evaluation, expected: float, within: float = 1e-9) -> None:
    value = found.metrics[name]
    if math.isnan(expected):
        assert value is None, name
    else:
        assert value == pytest.approx(expected, rel=within, abs=within), name


def expectations(columns: dict[str, Any], labels: list[Any], positive: str | None) -> dict[str, float]:
    actual, predicted, weights = columns["actual"], columns["predicted"], columns.get("weight")
    weigh = {"sample_weight": weights}
    expected = {
        "accuracy": sk.accuracy_score(actual, predicted, **weigh),
        "balanced_accuracy": sk.balanced_accuracy_score(actual, predicted, **weigh),
        "matthews_correlation": sk.matthews_corrcoef(actual, predicted, **weigh),
    }
    if positive is None:
        options = {"average": "weighted", "zero_division": 0, **weigh}
        precision, recall, f1, _ = sk.precision_recall_fscore_support(actual, predicted, **options)
        return {**expected, "precision": precision, "recall": recall, "f1_score": f1}
    is_positive = [name_of(one) == positive for one in actual]
    message = [name_of(one) == positive for one in predicted]
    options = {"average": "binary", "zero_division": 0, **weigh}
    precision, recall, f1, _ = sk.precision_recall_fscore_support(is_positive, message, **options)
    both = len(set(is_positive)) == 2
    score = columns.get("score") or columns[f"score_{positive}"]
    if "score" not in columns and len(labels) == 2:
        rest = np.add(score, columns[f"score_{next(one for one in labels if one != positive)}"]) - 1
        costs = bool(np.all(np.abs(rest) <= 1e-3))
    else:
        costs = len(labels) == 2 or "score" not in columns or positive in {"1", "true"}
    return {
        **expected,
        "precision": precision,
        "recall": recall,
        "f1_score": f1,
        "log_loss": sk.log_loss(is_positive, score, labels=[False, True], **weigh) if costs else math.nan,
        "brier_score": sk.brier_score_loss(is_positive, score, labels=[False, True], **weigh) if costs else math.nan,
        "roc_auc": sk.roc_auc_score(is_positive, score, **weigh) if both else math.nan,
        "average_precision": sk.average_precision_score(is_positive, score, **weigh) if both else math.nan,
    }


def name_of(label: Any) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


@given(columns=predictions().filter(lambda columns: "score" not in columns))
@EACH_EVALUATES
@pytest.mark.usefixtures("few_draws")
def test_every_metric_of_several_classes_equals_that_of_scikit_learn(tmp_path: Path, columns: dict[str, Any]) -> None:
    labels = [name.removeprefix("score_") for name in columns if name.startswith("score_")]
    actual, weights = [name_of(one) for one in columns["actual"]], columns.get("weight")
    found = evaluate_columns(classification.evaluate, tmp_path, columns, averaging="macro")
    if len(found.per_class) < 3:  # the positive class's score decides, as `expectations` has it
        return
    scores = np.array([columns[f"score_{label}"] for label in labels]).T
    truth = np.array([[one == label for label in labels] for one in actual])
    if found.metrics["log_loss"] is not None:
        losses = [-math.log(max(row[labels.index(one)], 2**-52)) for row, one in zip(scores, actual, strict=True)]
        assert found.metrics["log_loss"] == pytest.approx(np.average(losses, weights=weights), rel=1e-9, abs=1e-9)
        brier = ((scores - truth) ** 2).sum(axis=1)
        assert found.metrics["brier_score"] == pytest.approx(np.average(brier, weights=weights), rel=1e-9, abs=1e-9)
    if found.metrics["roc_auc"] is not None:
        areas = [
            sk.roc_auc_score(truth[:, at], scores[:, at], sample_weight=weights)
            for at, label in enumerate(labels)
            if label in found.per_class
        ]
        assert found.metrics["roc_auc"] == pytest.approx(np.mean(areas), rel=1e-9, abs=1e-9)


def test_per_class_intervals_equal_those_of_the_positive_class(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    actual = np.where(random.random(200) < 0.4, "yes", "St. Gallen")
    score = np.round(1 / (1 + np.exp(-random.normal(np.where(actual == "yes", 1, 0), 1))), 2)
    columns = {"actual": actual, "predicted": np.where(score > 0.6, "yes", "St. Gallen")}
    both = {"score_yes": score, "score_St. Gallen": 1 - score}

    for label in ("yes", "St. Gallen"):
        found = evaluate_columns(
            classification.evaluate, tmp_path, {**columns, **both}, positive_class=label
        ).confidence_intervals

        names = ("precision", "recall", "f1_score", *(("roc_auc",) if label == "yes" else ()))
        assert {name: found[f"per_class.{label}.{name}"] for name in names} == {name: found[name] for name in names}


def test_classes_have_no_intervals_if_there_are_many(tmp_path: Path) -> None:
    few, many = ({"actual": range(number), "predicted": range(number)} for number in (50, 51))

    assert "per_class.49.recall" in evaluate_columns(classification.evaluate, tmp_path, few).confidence_intervals
    assert not any(
        "per_class" in name for name in evaluate_columns(classification.evaluate, tmp_path, many).confidence_intervals
    )


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


def test_scores_that_are_no_probabilities_rank_but_have_no_losses(tmp_path: Path) -> None:
    columns = {"actual": [0, 1, 1], "predicted": [0, 1, 1], "score": [-3.5, 2.0, 17.0]}

    found = evaluate_columns(classification.evaluate, tmp_path, columns)

    assert (found.metrics["roc_auc"], found.metrics["log_loss"], found.metrics["brier_score"]) == (1.0, None, None)


TWO: dict[str, Any] = {"actual": [0, 1, 1, 0, 1], "predicted": [0, 1, 0, 0, 1]}
OF_POSITIVE = [0.125, 0.75, 0.5, 0.625, 0.875]
OF_BOTH = {"score_0": [1 - score for score in OF_POSITIVE], "score_1": OF_POSITIVE}
THREE = {"actual": [0, 1, 2, 0, 1], "predicted": [0, 1, 2, 0, 2]}
OF_SEVERAL = {
    "score_0": [0.5, 0.25, 0.0, 0.75, 0.0],
    "score_1": [0.25, 0.5, 0.0, 0.25, 0.5],
    "score_2": [0.25, 0.25, 1.0, 0.0, 0.5],
}
BY_SCORE = ["roc_auc", "average_precision", "log_loss", "brier_score", "expected_calibration_error"]


@pytest.mark.parametrize("averaging", ["macro", "weighted", "micro"])
@pytest.mark.parametrize("scores", [{"score": OF_POSITIVE}, OF_BOTH])
def test_metrics_of_two_class_scores_do_not_depend_on_averaging(
    tmp_path: Path, averaging: str, scores: dict[str, Any]
) -> None:
    plain = evaluate_columns(classification.evaluate, tmp_path, {**TWO, "score": OF_POSITIVE})

    found = evaluate_columns(classification.evaluate, tmp_path, {**TWO, **scores}, averaging=averaging)

    assert {name: found.metrics[name] for name in BY_SCORE} == {name: plain.metrics[name] for name in BY_SCORE}
    assert None not in plain.metrics.values()
    assert (found.curves, found.misclassified, found.positive_class) == (plain.curves, plain.misclassified, "1")
    precision = sk.precision_score(TWO["actual"], TWO["predicted"], average=averaging)
    assert found.metrics["precision"] == pytest.approx(precision)


def test_a_threshold_applies_to_the_positive_class_score_of_two(tmp_path: Path) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, {"actual": TWO["actual"], **OF_BOTH}, threshold=0.5)

    assert found.confusion_matrix == {"labels": ["0", "1"], "counts": [[1, 1], [0, 3]]}


def test_scores_of_two_classes_that_do_not_sum_to_1_have_no_losses(tmp_path: Path) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, {**TWO, "score_0": OF_POSITIVE, "score_1": OF_POSITIVE})

    assert found.metrics["roc_auc"] is not None
    assert (found.metrics["log_loss"], found.metrics["brier_score"]) == (None, None)


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


def test_the_score_of_a_single_label_is_ignored_without_positive_class(tmp_path: Path) -> None:
    columns = {"actual": ["no", "no"], "predicted": ["no", "no"], "score": [0.1, 0.2]}

    unknown = evaluate_columns(classification.evaluate, tmp_path, columns).metrics
    known = evaluate_columns(classification.evaluate, tmp_path, columns, positive_class="yes").metrics

    assert (unknown["log_loss"], unknown["brier_score"]) == (None, None)
    assert known["brier_score"] == pytest.approx((0.1**2 + 0.2**2) / 2)


@given(columns=predictions().filter(lambda columns: "score" not in columns))
@EACH_EVALUATES
@pytest.mark.usefixtures("few_draws")
def test_micro_averaged_roc_auc_pools_the_decisions_on_all_classes(tmp_path: Path, columns: dict[str, Any]) -> None:
    labels = [name.removeprefix("score_") for name in columns if name.startswith("score_")]
    found = evaluate_columns(classification.evaluate, tmp_path, columns, averaging="micro")
    if len(found.per_class) < 3:  # the positive class's score decides
        return
    truth = np.array([[name_of(one) == label for label in labels] for one in columns["actual"]])
    scores = np.array([columns[f"score_{label}"] for label in labels]).T

    expected = sk.roc_auc_score(truth, scores, average="micro", sample_weight=columns.get("weight"))

    assert_close("roc_auc", found, expected)


def test_micro_averaged_roc_auc_is_undefined_if_a_class_has_no_score(tmp_path: Path) -> None:
    columns = {"actual": ["a", "b", "c"], "predicted": ["a", "b", "b"]}
    scores = {"score_a": [0.5, 0.25, 0.25], "score_b": [0.5, 0.75, 0.75]}

    found = evaluate_columns(classification.evaluate, tmp_path, {**columns, **scores}, averaging="micro")

    assert (found.metrics["roc_auc"], found.per_class["a"]["roc_auc"]) == (None, 1.0)


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


@pytest.mark.parametrize("weight", [1e-200, 1e-320])
@pytest.mark.parametrize("scores", [{"score": OF_POSITIVE}, OF_SEVERAL])
def test_weights_whose_squares_underflow_have_no_intervals(
    tmp_path: Path, scores: dict[str, Any], weight: float
) -> None:
    columns = {**(THREE if scores is OF_SEVERAL else TWO), **scores}

    found = evaluate_columns(classification.evaluate, tmp_path, {**columns, "weight": [weight] * 5})

    plain = evaluate_columns(classification.evaluate, tmp_path, columns).metrics
    assert not found.confidence_intervals
    for name, value in plain.items():
        assert_close(name, found, math.nan if value is None else value, within=1e-3)


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


# Why there is no value or no interval


def test_one_class_has_values_without_intervals_and_a_warning(tmp_path: Path) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, {"actual": ["0"] * 50, "predicted": ["0"] * 50})

    assert [warning.code for warning in found.warnings] == ["one_class"]
    assert found.metrics["balanced_accuracy"] == 1
    assert "balanced_accuracy" not in found.confidence_intervals
    assert "at least two" in found.intervals_unavailable["balanced_accuracy"]
    assert "at least two" in found.metrics_unavailable["roc_auc"]
    assert found.confidence_intervals["accuracy"].lower > 0.9


@pytest.mark.parametrize("columns", [TWO, THREE, {**TWO, "score": OF_POSITIVE}, {**THREE, **OF_SEVERAL}])
@pytest.mark.parametrize("averaging", [None, "macro", "weighted", "micro"])
def test_each_metric_has_an_interval_or_says_why_not(
    tmp_path: Path, columns: dict[str, Any], averaging: str | None
) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, columns, averaging=averaging)

    for name, value in found.metrics.items():
        reason = (found.metrics_unavailable if value is None else found.intervals_unavailable).get(name)
        assert (name in found.confidence_intervals) == (reason is None), name
        assert reason not in {UNDEFINED, NO_INTERVAL}, name
        if interval := found.confidence_intervals.get(name):
            assert interval.lower < interval.upper, name


def test_a_class_with_scores_counts_even_without_examples(tmp_path: Path) -> None:
    columns = {"actual": ["a", "b", "a", "b"], "predicted": ["a", "b", "b", "a"]}
    scores = {
        "score_a": [0.5, 0.25, 0.25, 0.5],
        "score_b": [0.25, 0.5, 0.5, 0.25],
        "score_c": [0.25, 0.25, 0.25, 0.25],
    }

    found = evaluate_columns(classification.evaluate, tmp_path, {**columns, **scores})

    assert (found.positive_class, found.averaging) == (None, "weighted")
    assert found.metrics["log_loss"] == pytest.approx(-(2 * math.log(0.5) + 2 * math.log(0.25)) / 4)


# Groups


@pytest.fixture(scope="module")
def patients() -> dict[str, Any]:
    """Examples of 40 patients, each of whom the model knows well or badly."""
    random = np.random.default_rng(3)
    patient = np.repeat(np.arange(40), 15)
    actual = (random.random(600) < 0.4).astype(int)
    odds = 2 * actual - 1 + np.repeat(random.normal(0, 2, 40), 15) + random.normal(0, 0.5, 600)
    return {
        "actual": actual,
        "predicted": (odds > 0).astype(int),
        "score": 1 / (1 + np.exp(-odds)),
        "group": patient,
    }


def test_groups_make_intervals_wider_and_the_sample_smaller(tmp_path: Path, patients: dict[str, Any]) -> None:
    plain = evaluate_columns(
        classification.evaluate, tmp_path, {name: each for name, each in patients.items() if name != "group"}
    )

    found = evaluate_columns(classification.evaluate, tmp_path, patients)

    assert (found.metrics, plain.effective_sample_size) == (plain.metrics, 600)
    assert found.effective_sample_size is not None
    assert 40 < found.effective_sample_size < 300
    assert set(found.confidence_intervals) == set(plain.confidence_intervals)
    for name in ("accuracy", "specificity", "roc_auc", "log_loss", "brier_score", "per_class.0.recall"):
        one, other = found.confidence_intervals[name], plain.confidence_intervals[name]
        assert one.upper - one.lower > 1.3 * (other.upper - other.lower), name


def test_the_design_effect_is_that_of_the_sums_by_group(tmp_path: Path, patients: dict[str, Any]) -> None:
    right = patients["actual"] == patients["predicted"]
    sums = np.bincount(patients["group"], weights=right - right.mean())
    ratio = (sums**2).sum() / (600 * right.mean() * (1 - right.mean())) * 40 / 39
    informative = (sums**2).sum() ** 2 / (sums**4).sum()
    effect = (informative * ratio + 0.4 * 15) / (informative + 0.4)

    found = evaluate_columns(classification.evaluate, tmp_path, patients)

    assert found.effective_sample_size == pytest.approx(600 / effect)
    size = 600 / effect * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 39)) ** 2
    expected = wilson(float(right.mean()), size)
    assert expected is not None
    interval = found.confidence_intervals["accuracy"]
    assert (interval.lower, interval.upper) == pytest.approx((expected.lower, expected.upper), rel=1e-5)


def test_the_variance_of_grouped_areas_is_that_of_obuchowski(tmp_path: Path, patients: dict[str, Any]) -> None:
    """If each example is a group of its own, groups make hardly a difference."""
    alone = {**patients, "group": np.arange(600)}
    plain = {name: each for name, each in patients.items() if name != "group"}

    found = evaluate_columns(classification.evaluate, tmp_path, alone).confidence_intervals
    expected = evaluate_columns(classification.evaluate, tmp_path, plain).confidence_intervals

    for name in expected:
        assert (found[name].lower, found[name].upper) == pytest.approx(
            (expected[name].lower, expected[name].upper), abs=0.01
        ), name


def test_nine_groups_are_too_few(tmp_path: Path, patients: dict[str, Any]) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, {**patients, "group": patients["group"] % 9})

    assert not found.confidence_intervals
    assert found.effective_sample_size is None
    assert found.intervals_unavailable["accuracy"] == "An interval needs at least 10 groups, not 9."


@pytest.mark.parametrize("group", [["x", None], [1.0, math.nan]], ids=["null", "nan"])
def test_an_example_without_a_group_is_refused(tmp_path: Path, group: list[Any]) -> None:
    columns = {"actual": ["a", "b"], "predicted": ["a", "b"], "group": group}

    with pytest.raises(UnprocessablePredictionsError, match="Row 2 has no group in the column 'group'"):
        evaluate_columns(classification.evaluate, tmp_path, columns)


def test_groups_of_several_classes_have_intervals(tmp_path: Path) -> None:
    columns: dict[str, Any] = {**THREE, **OF_SEVERAL}
    many = {name: list(values) * 10 for name, values in columns.items()}

    for averaging in ("macro", "weighted", "micro"):
        found = evaluate_columns(
            classification.evaluate, tmp_path, {**many, "group": np.arange(50) // 5}, averaging=averaging
        )

        assert {"accuracy", "f1_score", "matthews_correlation", "log_loss"} <= set(found.confidence_intervals)
        assert "roc_auc" in found.confidence_intervals


def test_ten_copies_of_each_example_are_worth_one_in_the_micro_average(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    actual = random.integers(0, 3, 80)
    scores = random.dirichlet([1, 1, 1], 80) * 0.6 + 0.4 * np.eye(3)[actual]
    columns = {"actual": actual, "predicted": scores.argmax(1), **{f"score_{at}": scores[:, at] for at in range(3)}}
    copies = {name: np.repeat(each, 10) for name, each in columns.items()} | {"group": np.repeat(np.arange(80), 10)}

    found, plain = (
        evaluate_columns(classification.evaluate, tmp_path, each, averaging="micro").confidence_intervals["roc_auc"]
        for each in (copies, columns)
    )

    assert (found.lower, found.upper) == pytest.approx((plain.lower, plain.upper), abs=0.01)
