"""Metrics of a confusion matrix compared with scikit-learn, and their intervals compared with simulations."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.estimates import Estimate

CLASSES = st.integers(2, 5)


@st.composite
def examples(draw: st.DrawFn) -> tuple[list[int], list[int], list[float] | None]:
    """Actual and predicted classes, with or without weights."""
    classes = st.integers(0, draw(CLASSES) - 1)
    pairs = draw(st.lists(st.tuples(classes, classes), min_size=1, max_size=60))
    weights = draw(st.none() | st.lists(st.floats(0.01, 100), min_size=len(pairs), max_size=len(pairs)))
    return [actual for actual, _ in pairs], [predicted for _, predicted in pairs], weights


def matrix_of(actual: list[int], predicted: list[int], weights: list[float] | None) -> ConfusionMatrix:
    labels = sorted({*actual, *predicted})
    each = weights or [1.0] * len(actual)
    cells = [[0.0] * len(labels) for _ in labels]
    for one, other, weight in zip(actual, predicted, each, strict=True):
        cells[labels.index(one)][labels.index(other)] += weight
    return ConfusionMatrix([str(label) for label in labels], cells, sum(weight**2 for weight in each))


def assert_close(estimate: Estimate, expected: float) -> None:
    assert estimate.value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    if estimate.interval is not None:
        slack = 1e-9
        assert estimate.interval.lower - slack <= expected <= estimate.interval.upper + slack


@given(examples())
@settings(deadline=None)
def test_every_metric_equals_that_of_scikit_learn(given_examples: Any) -> None:
    actual, predicted, weights = given_examples
    matrix = matrix_of(actual, predicted, weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weigh = {"sample_weight": weights}
        assert_close(matrix.accuracy, sk.accuracy_score(actual, predicted, **weigh))
        assert_close(matrix.balanced_accuracy, sk.balanced_accuracy_score(actual, predicted, **weigh))
        correlation = sk.matthews_corrcoef(actual, predicted, **weigh)
        # With weights it is 0 / 0 where all is of one class, and without them 0.
        assert_close(matrix.matthews_correlation, 0.0 if math.isnan(correlation) else correlation)
        kappa = sk.cohen_kappa_score(actual, predicted, **weigh)
        if matrix.cohen_kappa.value is None:
            assert math.isnan(kappa)
        else:
            assert_close(matrix.cohen_kappa, kappa)
        for averaging in ("macro", "weighted", "micro"):
            options = {"average": averaging, "zero_division": 0, **weigh}
            assert_close(matrix.averaged("precision", averaging), sk.precision_score(actual, predicted, **options))
            assert_close(matrix.averaged("recall", averaging), sk.recall_score(actual, predicted, **options))
            assert_close(matrix.averaged("f1_score", averaging), sk.f1_score(actual, predicted, **options))
        for label in sorted({*actual, *predicted}):
            options = {"labels": [label], "average": None, "zero_division": 0, **weigh}
            assert_close(matrix.precision(str(label)), sk.precision_score(actual, predicted, **options)[0])
            assert_close(matrix.recall(str(label)), sk.recall_score(actual, predicted, **options)[0])
            assert_close(matrix.f1_score(str(label)), sk.f1_score(actual, predicted, **options)[0])
            rest = [one != label for one in actual], [one != label for one in predicted]
            assert_close(matrix.specificity(str(label)), sk.recall_score(*rest, zero_division=0, **weigh))


CELLS = np.array([[0.30, 0.06, 0.04], [0.05, 0.25, 0.05], [0.02, 0.08, 0.15]])
METRICS: dict[str, Callable[[ConfusionMatrix], Estimate]] = {
    "accuracy": lambda matrix: matrix.accuracy,
    "balanced accuracy": lambda matrix: matrix.balanced_accuracy,
    "matthews": lambda matrix: matrix.matthews_correlation,
    "kappa": lambda matrix: matrix.cohen_kappa,
    "f1 of b": lambda matrix: matrix.f1_score("b"),
    "precision of b": lambda matrix: matrix.precision("b"),
    "specificity of b": lambda matrix: matrix.specificity("b"),
    "macro f1": lambda matrix: matrix.averaged("f1_score", "macro"),
    "weighted f1": lambda matrix: matrix.averaged("f1_score", "weighted"),
    "macro precision": lambda matrix: matrix.averaged("precision", "macro"),
    "weighted precision": lambda matrix: matrix.averaged("precision", "weighted"),
    "weighted recall": lambda matrix: matrix.averaged("recall", "weighted"),
    "macro specificity": lambda matrix: matrix.averaged("specificity", "macro"),
    "micro specificity": lambda matrix: matrix.averaged("specificity", "micro"),
}


def drawn(counts: Any) -> ConfusionMatrix:
    cells = counts.reshape(3, 3).astype(float).tolist()
    return ConfusionMatrix(["a", "b", "c"], cells, float(counts.sum()))


@pytest.mark.parametrize("name", METRICS)
def test_confusion_matrix_intervals_cover_the_truth_as_often_as_they_claim(name: str) -> None:
    metric, rng, runs = METRICS[name], np.random.default_rng(20260313), 2000
    truth = metric(drawn(CELLS * 1e9)).value
    assert truth is not None
    covered = 0
    for counts in rng.multinomial(300, CELLS.ravel(), size=runs):
        interval = metric(drawn(counts)).interval
        assert interval is not None
        covered += interval.lower <= truth <= interval.upper

    assert 0.93 <= covered / runs <= 0.975


def test_a_perfect_confusion_matrix_has_intervals_of_positive_width() -> None:
    matrix = ConfusionMatrix(["no", "yes"], [[50.0, 0.0], [0.0, 50.0]], 100.0)

    for estimate in (matrix.accuracy, matrix.f1_score("yes"), matrix.averaged("recall", "macro")):
        assert estimate.value == 1
        assert estimate.interval is not None
        assert 0.9 < estimate.interval.lower < 1 == estimate.interval.upper
