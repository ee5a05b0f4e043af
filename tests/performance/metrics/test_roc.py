"""Intervals of ROC AUC and average precision, compared with influence functions and simulations."""

import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from performance.metrics.statistics.areas import (
    RankedClass,
    area_interval,
    area_variance,
    narrowest_area_interval,
)
from performance.metrics.statistics.estimates import TINY_WEIGHTS
from performance.metrics.statistics.intervals import Interval, score_interval
from performance.metrics.tasks import classification
from tests.performance.metrics.areas import IN_TESTS, Sampling, coverage
from tests.performance.metrics.tables import evaluate_columns

Z = 1.959963984540054


@pytest.mark.parametrize("weighted", [False, True])
def test_the_average_precision_interval_equals_the_influence_function(tmp_path: Path, weighted: bool) -> None:
    random = np.random.default_rng(7)
    actual = (random.random(120) < 0.4).astype(int)
    score = np.round(1 / (1 + np.exp(-random.normal(actual * 1.2, 1))), 1 if weighted else 2)  # with ties
    weight = random.uniform(0.5, 2, 120) if weighted else np.ones(120)
    columns = {"actual": actual, "predicted": actual, "score": score, "weight": weight}

    found = evaluate_columns(classification.evaluate, tmp_path, columns)

    value = sk.average_precision_score(actual, score, sample_weight=weight)
    nudge = 1e-6 * np.eye(120)
    influence = [
        (sk.average_precision_score(actual, score, sample_weight=weight + one) - value) / 1e-6 for one in nudge
    ]
    positives = weight[actual == 1]
    size = positives.sum() ** 2 / (positives**2).sum()
    interval = found.confidence_intervals["average_precision"]
    variance = sum((weight * influence) ** 2) * size / (size - 1)
    worth = of_equal_variance(value, variance, size, stats.t.ppf(0.975, size - 1))
    of_last = positives.sum() / weight.sum()  # the precision of a positive that ranks last
    lower, upper = score_interval((value * size + of_last) / (size + 1), worth), score_interval(value, worth)
    assert lower is not None
    assert upper is not None
    assert interval.method == "wilson_influence"
    assert (interval.lower, interval.upper) == pytest.approx((lower.lower, upper.upper), rel=1e-3)


def of_equal_variance(value: float, variance: float, size: float, quantile: float) -> float:
    """Return how many examples of a proportion the variance is worth, with 20 that agree with it."""
    ratio = (size * variance / (value * (1 - value) / size) + 20) / (size + 20)
    return size / ratio * (Z / quantile) ** 2


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("averaging", ["macro", "weighted", "micro"])
def test_the_interval_of_several_classes_equals_the_influence_function(
    tmp_path: Path, averaging: str, weighted: bool
) -> None:
    random = np.random.default_rng(7)
    actual = random.choice(3, 120, p=[0.5, 0.3, 0.2])
    odds = np.exp(random.normal(0, 1, (120, 3)) + np.eye(3)[actual])
    scores = np.round(odds / odds.sum(axis=1, keepdims=True), 2)  # with ties
    weight = random.uniform(0.5, 2, 120) if weighted else np.ones(120)
    by_label = {f"score_{label}": scores[:, label] for label in range(3)}

    found = evaluate_columns(
        classification.evaluate,
        tmp_path,
        {"actual": actual, "predicted": actual, "weight": weight, **by_label},
        averaging=averaging,
    )

    def area(weight: Any) -> float:
        return float(sk.roc_auc_score(np.eye(3)[actual], scores, average=averaging, sample_weight=weight))

    value = area(weight)
    influence = [(area(weight + one) - value) / 1e-6 for one in 1e-6 * np.eye(120)]
    size = weight.sum() ** 2 / (weight**2).sum()
    variance = sum((weight * influence) ** 2) * size / (size - 1)
    if averaging == "micro":
        expected, method = score_interval(value, of_equal_variance(value, variance, size, Z)), "wilson_pooled"
    else:
        expected, method = interval_of_mean_area(value, variance, actual, weight, averaging), "newcombe_5_mean"
    assert expected is not None
    interval = found.confidence_intervals["roc_auc"]
    assert interval.method == method
    assert (interval.lower, interval.upper) == pytest.approx((expected.lower, expected.upper), rel=1e-3)


def interval_of_mean_area(value: float, variance: float, actual: Any, weight: Any, averaging: str) -> Interval | None:
    """Return Newcombe's interval for as many examples as the variance is worth, or as 20 more that agree with it."""

    def size(is_counted: Any) -> float:
        return float(weight[is_counted].sum() ** 2 / (weight[is_counted] ** 2).sum())

    classes = [
        RankedClass(
            weight[actual == label].sum() / weight.sum() if averaging == "weighted" else 1 / 3,
            size(actual == label),
            size(actual != label),
        )
        for label in range(3)
    ]
    fewest = min(min(each.positives, each.negatives) for each in classes)
    estimated = variance / area_variance(value, classes)
    ratio = max(estimated, (fewest * estimated + 20) / (fewest + 20))
    return area_interval(value, [RankedClass(each[0], each[1] / ratio, each[2] / ratio) for each in classes])


@pytest.mark.parametrize(("area", "positives", "negatives"), [(0.9, 10, 90), (1.0, 3, 3), (0.0, 5, 5), (0.5, 1, 1)])
def test_newcombes_interval_ends_where_the_area_is_as_unlikely_as_allowed(
    area: float, positives: float, negatives: float
) -> None:
    classes = [RankedClass(1.0, positives, negatives)]
    interval = area_interval(area, classes)

    assert interval is not None
    assert 0 <= interval.lower <= area <= interval.upper <= 1
    for end in {interval.lower, interval.upper} - {0.0, 1.0, area}:
        assert abs(area - end) == pytest.approx(Z * math.sqrt(area_variance(end, classes)), rel=1e-6)
    assert interval.upper - interval.lower > 0.05


@pytest.mark.once
@pytest.mark.parametrize("sampling", IN_TESTS, ids=str)
def test_roc_auc_intervals_cover_the_truth_as_often_as_they_claim(sampling: Sampling) -> None:
    """This is a part of what `tests.benchmarks.coverage` simulates. The standard error of a share is 0.018."""
    shares = coverage(sampling, samples=150, population=200_000)

    assert all(0.91 <= share <= 1 for share in shares.values()), shares


@pytest.mark.parametrize("positives", [1, 2, 3, 5])
def test_no_ranking_of_ten_examples_has_an_area_that_varies_less(positives: int) -> None:
    """Classes of equal size vary least, but for areas around one half: there it is up to a fifth less."""
    ratios = []
    for places in combinations(range(10), positives):
        is_positive = np.isin(np.arange(10), places)
        pairs = np.flatnonzero(is_positive)[:, None] > np.flatnonzero(~is_positive)
        interval = narrowest_area_interval(float(pairs.mean()), 10)
        assert interval is not None
        spread = 1.96 * math.sqrt(pairs.mean(1).var() / positives + pairs.mean(0).var() / (10 - positives))
        if 0 < pairs.mean() < 1 and interval.lower > 0 and interval.upper < 1:
            ratios.append((2 * spread / (interval.upper - interval.lower)) ** 2)

    assert min(ratios) >= (1 if positives == 5 else 0.8)
    assert min(ratios) < 1.1


@pytest.mark.parametrize("averaging", ["macro", "weighted", "micro"])
def test_tiny_weights_are_the_reason_why_there_is_no_interval(tmp_path: Path, averaging: str) -> None:
    random = np.random.default_rng(7)
    actual = random.choice(3, 120)
    by_label = {f"score_{label}": column for label, column in enumerate(random.dirichlet([1, 1, 1], 120).T)}
    columns = {"actual": actual, "predicted": actual, "weight": np.full(120, 1e-170), **by_label}

    found = evaluate_columns(classification.evaluate, tmp_path, columns, averaging=averaging)

    assert found.intervals_unavailable["roc_auc"] == TINY_WEIGHTS


@pytest.mark.parametrize(
    ("positives", "negatives", "is_given"), [(99, 5901, False), (99, 4851, True), (100, 5900, True)]
)
def test_few_rare_positives_have_no_interval_of_average_precision(
    tmp_path: Path, positives: int, negatives: int, is_given: bool
) -> None:
    actual = np.repeat([1, 0], [positives, negatives])
    score = np.random.default_rng(5).normal(1.5 * actual, 1)

    found = evaluate_columns(
        classification.evaluate, tmp_path, {"actual": actual, "predicted": (score > 2).astype(int), "score": score}
    )

    assert ("average_precision" in found.confidence_intervals) is is_given
    assert "roc_auc" in found.confidence_intervals
    if not is_given:
        assert "less than 2%" in found.intervals_unavailable["average_precision"]
