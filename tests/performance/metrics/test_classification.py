"""Evaluation of classification, compared with scikit-learn on the fixtures and on random predictions."""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as sk

from performance.metrics.result import Evaluation
from performance.metrics.tasks import classification
from tests.performance.metrics.classified import OF_BOTH, OF_POSITIVE, TWO
from tests.performance.metrics.tables import EACH_EVALUATES, evaluate_columns, evaluate_file, values_by_interval_name

FIXTURES = Path(__file__).parents[3] / "fixtures"


SEED = json.loads((FIXTURES / "seed.json").read_text())


MEASURED = [
    (FIXTURES / snapshot["predictions"], snapshot)
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


def test_scores_that_are_no_probabilities_rank_but_have_no_losses(tmp_path: Path) -> None:
    columns = {"actual": [0, 1, 1], "predicted": [0, 1, 1], "score": [-3.5, 2.0, 17.0]}

    found = evaluate_columns(classification.evaluate, tmp_path, columns)

    assert (found.metrics["roc_auc"], found.metrics["log_loss"], found.metrics["brier_score"]) == (1.0, None, None)


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
