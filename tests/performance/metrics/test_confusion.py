"""Metrics of a confusion matrix compared with scikit-learn, and their intervals compared with simulations."""

import math
import warnings
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from performance.metrics.statistics import biases, margins
from performance.metrics.statistics.confusion import ONE_CLASS, ConfusionMatrix
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
    cells, squares = ([[0.0] * len(labels) for _ in labels] for _ in range(2))
    for one, other, weight in zip(actual, predicted, each, strict=True):
        cells[labels.index(one)][labels.index(other)] += weight
        squares[labels.index(one)][labels.index(other)] += weight**2
    return ConfusionMatrix([str(label) for label in labels], cells, squares)


def assert_close(estimate: Estimate, expected: float) -> None:
    assert estimate.value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    if estimate.interval is not None:
        slack = 1e-9
        assert estimate.interval.lower - slack <= expected <= estimate.interval.upper + slack


@given(examples())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("few_draws")
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

OF_PROPORTIONS = {"accuracy", "f1 of b", "precision of b", "specificity of b", "weighted recall", "micro specificity"}


def drawn(counts: Any) -> ConfusionMatrix:
    cells = counts.reshape(3, 3).astype(float).tolist()
    return ConfusionMatrix(["a", "b", "c"], cells)


@pytest.mark.parametrize(("simulated", "runs", "least"), [(False, 2_000, 0.93), (True, 40, 0.88)])
def test_confusion_matrix_intervals_cover_the_truth(simulated: bool, runs: int, least: float) -> None:
    """This is a part of what `tests.benchmarks.coverage` simulates. `least` is two standard errors below 95%, or more.

    Intervals that are simulated themselves take long, so there are fewer runs of them.
    """
    metrics = {name: metric for name, metric in METRICS.items() if (name not in OF_PROPORTIONS) is simulated}
    truth = {name: metric(drawn(CELLS * 1e9)).value for name, metric in metrics.items()}
    covered: Counter[str] = Counter()
    for counts in np.random.default_rng(20260313).multinomial(100, CELLS.ravel(), size=runs):
        matrix = drawn(counts)
        for name, metric in metrics.items():
            interval, value = metric(matrix).interval, truth[name]
            assert interval is not None
            assert value is not None
            covered[name] += interval.lower <= value <= interval.upper

    assert all(covered[name] / runs >= least for name in metrics), covered


@given(st.lists(st.integers(1, 10**9), min_size=9, max_size=9))
def test_shares_of_counts_are_rounded_once(counts: list[int]) -> None:
    """So a value equals a threshold that is written as the same share."""
    matrix = ConfusionMatrix("abc", [counts[:3], counts[3:6], counts[6:]])
    right, row, column, total = counts[0], sum(counts[:3]), sum(counts[::3]), sum(counts)
    expected = {
        "precision": Fraction(right, column),
        "recall": Fraction(right, row),
        "f1_score": Fraction(2 * right, row + column),
        "specificity": Fraction(total - row - column + right, total - row),
    }

    found = {name: margins.class_metric(name, 0)(matrix.margins) for name in expected}

    assert found == {name: float(share) for name, share in expected.items()}


def test_a_perfect_confusion_matrix_has_intervals_of_positive_width() -> None:
    matrix = ConfusionMatrix(["no", "yes"], [[50.0, 0.0], [0.0, 50.0]])

    for estimate in (
        matrix.accuracy,
        matrix.f1_score("yes"),
        matrix.averaged("recall", "macro"),
        matrix.matthews_correlation,
        matrix.cohen_kappa,
        matrix.balanced_accuracy,
    ):
        assert estimate.value == 1
        assert estimate.interval is not None
        assert 0.8 < estimate.interval.lower < 0.98
        assert estimate.interval.upper == 1


def test_two_right_predictions_say_hardly_anything() -> None:
    matrix = ConfusionMatrix(["no", "yes"], [[1.0, 0.0], [0.0, 1.0]])

    for estimate in (matrix.matthews_correlation, matrix.cohen_kappa):
        assert estimate.interval is not None
        assert estimate.interval.lower < 0


def test_three_found_positives_of_a_thousand_do_not_prove_a_high_f1() -> None:
    matrix = ConfusionMatrix(["0", "1"], [[997.0, 0.0], [0.0, 3.0]])

    f1, balanced = matrix.f1_score("1").interval, matrix.balanced_accuracy.interval

    assert f1 is not None
    assert balanced is not None
    assert f1.lower == pytest.approx(0.6097, abs=1e-3)
    assert balanced.lower == pytest.approx(0.71, abs=0.02)


def test_each_class_has_its_own_effective_size() -> None:
    """The weights of ten positives are 99, those of 990 negatives 1."""
    matrix = ConfusionMatrix(["0", "1"], [[990.0, 0.0], [0.0, 990.0]], [[990.0, 0.0], [0.0, 10 * 99.0**2]])

    recall, specificity = matrix.recall("1").interval, matrix.specificity("1").interval

    assert recall is not None
    assert specificity is not None
    assert (recall.lower, recall.upper) == pytest.approx((0.7225, 1), abs=1e-4)
    assert (specificity.lower, specificity.upper) == pytest.approx((0.9961, 1), abs=1e-4)


def test_a_design_effect_divides_the_examples() -> None:
    many = ConfusionMatrix(["0", "1"], [[400.0, 40.0], [20.0, 200.0]]).with_design_effect(4)
    few = ConfusionMatrix(["0", "1"], [[100.0, 10.0], [5.0, 50.0]])

    for name in ("precision", "recall", "f1_score", "specificity"):
        one, other = getattr(many, name)("1").interval, getattr(few, name)("1").interval
        assert (one.lower, one.upper) == pytest.approx((other.lower, other.upper)), name
    assert many.matthews_correlation.interval == few.matthews_correlation.interval


def test_one_class_alone_has_no_interval_of_metrics_that_need_two() -> None:
    matrix = ConfusionMatrix(["0"], [[1000.0]])

    for estimate in (matrix.balanced_accuracy, matrix.matthews_correlation, matrix.averaged("f1_score", "macro")):
        assert estimate.interval is None
        assert estimate.reason == ONE_CLASS
    assert matrix.balanced_accuracy.value == 1


@pytest.mark.parametrize("errors", [0, 60])
def test_many_classes_need_right_and_wrong_predictions(errors: int) -> None:
    classes = 200
    cells = [[20.0 * (at == other) for other in range(classes)] for at in range(classes)]
    for at in range(errors):
        cells[at][at + 1] = 1.0

    estimate = ConfusionMatrix([str(at) for at in range(classes)], cells).matthews_correlation

    assert (estimate.interval is not None) == (errors > 0)
    assert (estimate.reason is None) == (errors > 0)


@pytest.mark.parametrize("equal", [True, False])
def test_averages_over_many_classes_are_as_biased_as_their_intervals_allow_for(equal: bool) -> None:
    """Weighted precision is too high by a half of its standard error, and macro F1 too low."""
    prior = np.ones(60) if equal else 1 / np.arange(1, 61)
    shares = np.where(np.eye(60), 0.7, 0.3 / 59) * (prior / prior.sum())[:, None]
    draws = np.random.default_rng(20260313).multinomial(3000, shares.ravel(), size=4000).reshape(-1, 60, 60)
    right, rows, columns = np.diagonal(draws, axis1=1, axis2=2), draws.sum(2), draws.sum(1)
    precisions, f1_scores = right / np.maximum(columns, 1), 2 * right / np.maximum(rows + columns, 1)
    found = {
        biases.of_weighted_precision: (rows * precisions).sum(1).mean() / 3000,
        biases.of_macro_f1_score: f1_scores.mean(),
    }
    truth = np.diagonal(shares), shares.sum(1), shares.sum(0)
    expected = {
        biases.of_weighted_precision: (truth[1] * truth[0] / truth[2]).sum(),
        biases.of_macro_f1_score: (2 * truth[0] / (truth[1] + truth[2])).mean(),
    }
    sample = margins.Margins(*(each[0].tolist() for each in (right, rows, columns)))

    for bias, mean in found.items():
        assert bias(sample, 3000) == pytest.approx(mean - expected[bias], rel=0.2)
        assert bias(sample, 1500) == pytest.approx(2 * bias(sample, 3000), rel=0.2)

    labels = [str(each) for each in range(60)]
    matrix = ConfusionMatrix(labels, draws[0].astype(float).tolist())
    precision = matrix.averaged("precision", "weighted")
    assert precision.interval is not None
    assert precision.value is not None
    below, above = precision.value - precision.interval.lower, precision.interval.upper - precision.value
    assert precision.interval.method == "multinomial"
    assert below - above == pytest.approx(biases.of_weighted_precision(sample, 3000), rel=0.4)
