"""Paired intervals of metrics of the confusion matrix of examples in groups, compared with the jackknife."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from performance.metrics.paired.paired_join import Choices
from performance.metrics.statistics.differences import independent_interval
from performance.metrics.statistics.intervals import Interval
from performance.metrics.tasks import classification
from tests.performance.metrics.paired.pairs import Metric, Numbers, compare, difference_slopes, tables
from tests.performance.metrics.tables import evaluate_columns

GROUPS = 15
SIZE = 8 * GROUPS
GROUP = np.arange(SIZE) % GROUPS


def draw(random: np.random.Generator, classes: int, *, alike: float) -> tuple[Any, list[Any]]:
    """Return the classes, and what two versions predict. Groups differ in how many errors they have.

    The share `alike` of the examples has equal predictions.
    """
    actual = random.integers(0, classes, SIZE)
    right = random.beta(4, 1, GROUPS)[GROUP]
    newer, older = (
        np.where(random.random(SIZE) < right, actual, (actual + random.integers(1, classes, SIZE)) % classes)
        for _ in range(2)
    )
    return actual, [np.where(random.random(SIZE) < alike, older, newer), older]


def metrics_of(averaging: str) -> dict[str, Metric]:
    """Return the metrics of scikit-learn. Without predictions they are 0."""
    functions: dict[str, tuple[Any, dict[str, Any]]] = {
        "precision": (sk.precision_score, {"average": averaging}),
        "recall": (sk.recall_score, {"average": averaging}),
        "f1_score": (sk.f1_score, {"average": averaging}),
        "balanced_accuracy": (sk.balanced_accuracy_score, {}),
        "matthews_correlation": (sk.matthews_corrcoef, {}),
        "cohen_kappa": (sk.cohen_kappa_score, {}),
    }
    if averaging == "binary":
        functions["specificity"] = sk.recall_score, {"pos_label": 0}

    def metric(name: str) -> Metric:
        function, options = functions[name]
        return lambda y, s, w: 0.0 if s is None else float(function(y, s, sample_weight=w, **options))

    return {name: metric(name) for name in functions}


def sums_by_group(metric: Metric, actual: Any, predicted: Any, weights: Numbers) -> Numbers:
    slopes = difference_slopes(metric, actual, predicted, None, weights)
    return np.asarray(np.bincount(GROUP, weights=weights * slopes), dtype=np.float64)


def margin(one: float, other: float, correlation: float) -> float:
    return math.sqrt(one**2 - 2 * correlation * one * other + other**2)


def own_intervals(
    folder: Path, actual: Any, versions: list[Any], options: dict[str, Any], **more: Any
) -> list[Mapping[str, Interval]]:
    """Return the intervals that the evaluations of both versions have."""
    return [
        evaluate_columns(
            classification.evaluate, folder, {"actual": actual, "predicted": each, "group": GROUP, **more}, **options
        ).confidence_intervals
        for each in versions
    ]


def paired(
    folder: Path, actual: Any, versions: list[Any], choices: Choices, options: dict[str, Any], weights: Any = None
) -> dict[str, Interval]:
    columns: list[dict[str, Any]] = [{"predicted": each, "group": GROUP} for each in versions]
    return compare(folder, "classification", tables(actual, *columns, weight=weights), choices, **options)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("averaging", ["binary", "macro", "weighted"])
def test_grouped_differences_have_the_correlation_of_the_jackknife(
    tmp_path: Path, seeded: np.random.Generator, averaging: str, weighted: bool
) -> None:
    actual, versions = draw(seeded, 2 if averaging == "binary" else 3, alike=0.6)
    weights = seeded.choice([0.5, 1.0, 2.5], SIZE) if weighted else np.ones(SIZE)
    positive = "1" if averaging == "binary" else None
    options: dict[str, Any] = {"averaging": averaging, "positive_class": positive}

    found = paired(tmp_path, actual, versions, Choices(positive, averaging), options, weights)

    own = own_intervals(tmp_path, actual, versions, options, weight=weights)
    for name, metric in metrics_of(averaging).items():
        newer, older = (sums_by_group(metric, actual, each, weights) for each in versions)
        apart = newer - older
        groups = (apart**2).sum() ** 2 / (apart**4).sum()
        related = (newer * older).sum() / math.sqrt((newer**2).sum() * (older**2).sum()) * groups / (groups + 1)
        value, before = (metric(actual, each, weights) for each in versions)
        one, other = (each[name] for each in own)
        down = margin(value - one.lower, other.upper - before, related)
        up = margin(one.upper - value, before - other.lower, related)
        ends = value - before - down, value - before + up
        assert related > 0.1, name
        assert (found[name].lower, found[name].upper) == pytest.approx(ends, rel=1e-4, abs=1e-6), name
        assert found[name].method == "paired_influence"


def test_versions_that_differ_in_one_group_may_differ_in_others_too(
    tmp_path: Path, seeded: np.random.Generator
) -> None:
    """So the interval of recall is hardly narrower, and as of independent versions where they do not differ."""
    actual, [_, older] = draw(seeded, 2, alike=0)
    worst = np.bincount(GROUP, weights=(older != actual) & (actual == 1)).argmax()
    newer = np.where((worst == GROUP) & (actual == 1), actual, older)
    options = {"averaging": "binary", "positive_class": "1"}

    found = paired(tmp_path, actual, [newer, older], Choices("1", "binary"), options)

    own = own_intervals(tmp_path, actual, [newer, older], options)
    ratios = {}
    for name in ("recall", "specificity"):
        values = [metrics_of("binary")[name](actual, each, np.ones(SIZE)) for each in (newer, older)]
        apart = independent_interval(values[0], own[0][name], values[1], own[1][name])
        assert apart is not None
        ratios[name] = (found[name].upper - found[name].lower) / (apart.upper - apart.lower)
    assert 0.6 < ratios["recall"] < 0.9
    assert ratios["specificity"] == pytest.approx(1)


def test_a_grouped_difference_needs_the_intervals_of_both_versions(tmp_path: Path, seeded: np.random.Generator) -> None:
    """A version that never predicts the class has no precision, and one that predicts one class only no MCC."""
    actual, [newer, _] = draw(seeded, 2, alike=0)
    options = {"averaging": "binary", "positive_class": "1"}

    found = paired(tmp_path, actual, [newer, np.zeros(SIZE, dtype=int)], Choices("1", "binary"), options)

    assert set(found) == {"accuracy", "recall", "f1_score", "specificity", "balanced_accuracy", "cohen_kappa"}


def test_groups_of_more_than_fifty_classes_have_no_differences(tmp_path: Path, seeded: np.random.Generator) -> None:
    actual = np.arange(SIZE) % 51
    versions = [np.where(seeded.random(SIZE) < 0.5, actual, seeded.permutation(actual)) for _ in range(2)]
    options = {"averaging": "weighted"}

    found = paired(tmp_path, actual, versions, Choices(None, "weighted"), options)

    assert set(found) == {"accuracy"}
