"""Classification, compared with PyCM for labels, and with SciPy, statsmodels and trec_eval for scores.

PyCM leaves undefined what has nothing to divide by, where ours is 0. Weights of labels are from 0.01 to 100, as its
correlation subtracts squares of sums, which loses more digits the more weights differ. Weights of scores are whole
numbers, as Mann and Whitney's statistic knows no others: an example of weight two is there twice. Scores that are no
probabilities, thresholds and classes without scores are tested in `test_classification.py`.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrec_eval
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pycm import ConfusionMatrix
from scipy import stats
from statsmodels.tools import eval_measures

from performance.metrics.result import Evaluation
from performance.metrics.tasks import classification
from tests.performance.metrics.tables import evaluate_columns

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("few_draws")]

PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
LABELS = ["a", "b", "c", "d"]
WEIGHTS = st.sampled_from([1.0, 1.0, 0.25, 3.0]) | st.floats(0.01, 100)
NAMES = {"precision": "PPV", "recall": "TPR", "f1_score": "F1", "specificity": "TNR"}
EPSILON = 2.0**-52


# Labels


@st.composite
def labelled(draw: st.DrawFn, least: int = 1, most: int = 4) -> dict[str, Any]:
    """Columns of labels with weights. A class may be missing from either column, and all may be right."""
    labels = st.sampled_from(LABELS[: draw(st.integers(least, most))])
    actual = draw(st.lists(labels, min_size=1, max_size=40))
    any_labels = st.lists(labels, min_size=len(actual), max_size=len(actual))
    predicted = draw(st.just(actual) | any_labels | labels.map(lambda one: [one] * len(actual)))
    assume(set(actual) & set(predicted))  # otherwise the labels are refused
    columns: dict[str, Any] = {"actual": actual, "predicted": predicted}
    if draw(st.booleans()):
        columns["weight"] = draw(st.lists(WEIGHTS, min_size=len(actual), max_size=len(actual)))
    return columns


def theirs(columns: Mapping[str, Any]) -> ConfusionMatrix:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a single class, and of the choice of metrics
        return ConfusionMatrix(columns["actual"], columns["predicted"], sample_weight=columns.get("weight"))


def defined(value: float | str) -> float:
    return 0.0 if isinstance(value, str) else value


def close(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


@given(columns=labelled())
@PROPERTY
def test_metrics_of_labels_are_those_of_pycm(tmp_path: Path, columns: dict[str, Any]) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, columns)

    matrix = theirs(columns)
    assert found.metrics["accuracy"] == close(matrix.Overall_ACC)
    assert found.metrics["matthews_correlation"] == close(defined(matrix.Overall_MCC))
    several = len({*columns["actual"], *columns["predicted"]}) > 1
    assert found.metrics["cohen_kappa"] == (close(matrix.Kappa) if several else None)
    assert found.metrics["balanced_accuracy"] == close(
        np.mean([each for label, each in matrix.TPR.items() if label in columns["actual"]])
    )
    for label, values in found.per_class.items():
        assert values["support"] == close(matrix.P[label])
        for name in ("precision", "recall", "f1_score"):
            assert values[name] == close(defined(getattr(matrix, NAMES[name])[label])), name


@given(columns=labelled(2).filter(lambda columns: len({*columns["actual"], *columns["predicted"]}) > 1))
@PROPERTY
def test_averages_over_classes_are_those_of_pycm(tmp_path: Path, columns: dict[str, Any]) -> None:
    matrix = theirs(columns)
    for averaging in ("macro", "weighted", "micro"):
        found = evaluate_columns(classification.evaluate, tmp_path, columns, averaging=averaging)

        for name, abbreviation in NAMES.items():
            assert found.metrics[name] == close(their_average(matrix, abbreviation, averaging)), (name, averaging)


def their_average(matrix: ConfusionMatrix, name: str, averaging: str) -> float:
    """Return their average. If it is undefined because that of a class is, count that class as 0."""
    weighted = averaging == "weighted"
    average = matrix.weighted_average(name) if weighted else getattr(matrix, f"{name}_{averaging.title()}")
    if not isinstance(average, str) and average is not None:
        return float(average)
    of_classes = getattr(matrix, name)
    weights = [matrix.P[label] if weighted else 1 for label in of_classes]
    return float(np.average([defined(each) for each in of_classes.values()], weights=weights))


@given(columns=labelled(2, 2), positive=st.sampled_from(["a", "b"]))
@PROPERTY
def test_metrics_of_two_classes_are_those_of_pycm(tmp_path: Path, columns: dict[str, Any], positive: str) -> None:
    assume(len({*columns["actual"], *columns["predicted"]}) == 2)

    found = evaluate_columns(classification.evaluate, tmp_path, columns, positive_class=positive)

    matrix = theirs(columns)
    for name, abbreviation in NAMES.items():
        assert found.metrics[name] == close(defined(getattr(matrix, abbreviation)[positive])), name


# Scores


SCORES = st.sampled_from([0.0, 1.0, 5e-324, 1 - EPSILON / 2]) | st.integers(0, 16).map(lambda part: part / 16)


@st.composite
def scored(draw: st.DrawFn) -> dict[str, Any]:
    """Columns of two classes, with ties, whole weights, and a third of the files with perfect or constant scores."""
    actual = draw(st.lists(st.integers(0, 1), min_size=2, max_size=40))
    scores = st.lists(SCORES, min_size=len(actual), max_size=len(actual))
    score = draw(st.just([float(each) for each in actual]) | SCORES.map(lambda one: [one] * len(actual)) | scores)
    weights = st.lists(st.integers(1, 3), min_size=len(actual), max_size=len(actual))
    weight = draw(st.just([1] * len(actual)) | weights)
    predicted = [int(each >= 0.5) for each in score]
    assume(set(actual) & set(predicted))
    return {"actual": actual, "predicted": predicted, "score": score, "weight": weight}


def repeated(columns: Mapping[str, Sequence[Any]], name: str) -> Any:
    """Return the values of a column, each as often as its weight says."""
    return np.repeat(np.array(columns[name]), columns["weight"])


def mann_whitney(actual: Any, score: Any) -> float:
    """Return the share of pairs of a positive and a negative in which the positive has the greater score."""
    positives, negatives = score[actual == 1], score[actual == 0]
    return float(stats.mannwhitneyu(positives, negatives).statistic) / (len(positives) * len(negatives))


def ranked_precision(actual: Any, score: Any) -> float:
    """Return the mean over the positives of their rank among positives, divided by their rank among all."""
    positives = score[actual == 1]
    above = stats.rankdata(-score, "max")[actual == 1]
    return float(np.mean(stats.rankdata(-positives, "max") / above))


@given(columns=scored())
@PROPERTY
def test_metrics_of_scores_are_those_of_scipy_and_statsmodels(tmp_path: Path, columns: dict[str, Any]) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, columns, positive_class="1").metrics

    actual, score = repeated(columns, "actual"), repeated(columns, "score")
    truth = np.clip(np.where(actual == 1, score, 1 - score), EPSILON, 1 - EPSILON)
    assert found["log_loss"] == close(-stats.bernoulli.logpmf(1, truth).mean())
    assert found["brier_score"] == close(eval_measures.mse(actual, score))
    assert found["expected_calibration_error"] == close(
        binned_error(np.maximum(score, 1 - score), actual == repeated(columns, "predicted"))
    )
    if len(set(columns["actual"])) < 2:
        assert found["roc_auc"] is found["average_precision"] is None
        return
    assert found["roc_auc"] == close(mann_whitney(actual, score))
    assert found["average_precision"] == close(ranked_precision(actual, score))


def binned_error(confidence: Any, correct: Any) -> float:
    """Return the expected calibration error. SciPy's bins are closed on the left, so they are of 1 - confidence."""
    apart, _, _ = stats.binned_statistic(1 - confidence, correct - confidence, "sum", bins=15, range=(0, 1))
    return float(np.abs(apart).sum() / len(confidence))


@given(
    ranks=st.lists(st.booleans(), min_size=2, max_size=40).filter(lambda ranks: len(set(ranks)) == 2),
    k=st.integers(1, 9),
)
@PROPERTY
def test_average_precision_without_ties_is_that_of_trec_eval(tmp_path: Path, ranks: list[bool], k: int) -> None:
    scores = [1 / (k + at) for at in range(len(ranks))]
    columns = {"actual": ranks, "predicted": ranks, "score": scores}

    found = evaluate_columns(classification.evaluate, tmp_path, columns).metrics["average_precision"]

    known = {"q": {str(at): int(each) for at, each in enumerate(ranks)}}
    run = {"q": {str(at): -float(at) for at in range(len(ranks))}}
    assert found == close(pytrec_eval.RelevanceEvaluator(known, {"map"}).evaluate(run)["q"]["map"])


# Scores of several classes


@st.composite
def several(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """Columns of three or four classes with whole weights, and their scores by example and class."""
    labels = LABELS[: draw(st.integers(3, 4))]
    extra = draw(st.lists(st.sampled_from(labels), max_size=20))
    actual = [*labels, *extra]
    cuts = st.lists(st.integers(0, 16), min_size=len(labels) - 1, max_size=len(labels) - 1).map(sorted)
    rows = draw(st.lists(cuts, min_size=len(actual), max_size=len(actual)))
    scores = np.diff(rows, axis=1, prepend=0, append=16) / 16  # never between two bins of the calibration
    weight = draw(st.lists(st.integers(1, 3), min_size=len(actual), max_size=len(actual)))
    predicted = [labels[at] for at in scores.argmax(axis=1)]
    assume(set(actual) & set(predicted))
    columns = {"actual": actual, "predicted": predicted, "weight": weight}
    return columns | {f"score_{label}": scores[:, at].tolist() for at, label in enumerate(labels)}, scores


@given(drawn=several())
@PROPERTY
def test_metrics_of_scores_of_several_classes_are_those_of_scipy(
    tmp_path: Path, drawn: tuple[dict[str, Any], Any]
) -> None:
    columns, scores = drawn
    found = {
        averaging: evaluate_columns(classification.evaluate, tmp_path, columns, averaging=averaging)
        for averaging in ("macro", "weighted", "micro")
    }

    labels = LABELS[: scores.shape[1]]
    truth = np.array([[one == label for label in labels] for one in repeated(columns, "actual")]).astype(int)
    score = np.repeat(scores, columns["weight"], axis=0)
    areas = [mann_whitney(truth[:, at], score[:, at]) for at in range(len(labels))]
    assert areas_of(found["macro"], labels) == close(areas)
    assert found["macro"].metrics["roc_auc"] == close(np.mean(areas))
    assert found["weighted"].metrics["roc_auc"] == close(np.average(areas, weights=truth.sum(axis=0)))
    assert found["micro"].metrics["roc_auc"] == close(mann_whitney(truth.ravel(), score.ravel()))
    correct = repeated(columns, "actual") == repeated(columns, "predicted")
    expected = {
        "log_loss": -np.log(np.clip((score * truth).sum(axis=1), EPSILON, 1 - EPSILON)).mean(),
        "brier_score": eval_measures.mse(truth, score).sum(),
        "expected_calibration_error": binned_error(score.max(axis=1), correct),
    }
    for each in found.values():
        assert {name: each.metrics[name] for name in expected} == close(expected)


def areas_of(found: Evaluation, labels: Iterable[str]) -> list[float]:
    return [found.per_class[label]["roc_auc"] for label in labels]
