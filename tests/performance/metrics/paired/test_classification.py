"""Paired intervals of classification, compared with the jackknife and with DeLong."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, t
from sklearn import metrics as sk

from performance.metrics.paired.paired_join import Choices
from performance.metrics.statistics.areas import RankedClass, area_interval, area_variance
from performance.metrics.statistics.differences import correlated_interval, independent_interval
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.roc import average_precision_estimate
from tests.performance.metrics.augmented import augmented_t
from tests.performance.metrics.paired.pairs import (
    Metric,
    Numbers,
    Z,
    assert_between_tables,
    binary,
    compare,
    ids,
    jackknife_variance,
    tables,
)


def compare_binary(
    folder: Path, two_classes: dict[str, Any], seeded: np.random.Generator, *, weighted: bool
) -> tuple[Numbers, Any]:
    """Return the weights of the examples, and the paired intervals of two classes."""
    size = len(two_classes["actual"])
    weights = seeded.choice([0.5, 1.0, 2.5], size) if weighted else np.ones(size)
    columns = binary(two_classes, weights if weighted else None)
    return weights, compare(folder, "classification", columns, Choices("1", "binary"))


@pytest.mark.parametrize("weighted", [False, True])
def test_paired_intervals_of_two_classes_equal_the_jackknife(
    tmp_path: Path, two_classes: dict[str, Any], seeded: np.random.Generator, weighted: bool
) -> None:
    actual, scores = two_classes["actual"], two_classes["scores"]
    weights, found = compare_binary(tmp_path, two_classes, seeded, weighted=weighted)

    metrics: dict[str, Metric] = {
        "precision": lambda y, s, w: sk.precision_score(y, s, sample_weight=w),
        "recall": lambda y, s, w: sk.recall_score(y, s, sample_weight=w),
        "f1_score": lambda y, s, w: sk.f1_score(y, s, sample_weight=w),
        "specificity": lambda y, s, w: sk.recall_score(y, s, sample_weight=w, pos_label=0),
        "balanced_accuracy": lambda y, s, w: sk.balanced_accuracy_score(y, s, sample_weight=w),
        "matthews_correlation": lambda y, s, w: sk.matthews_corrcoef(y, s, sample_weight=w),
        "cohen_kappa": lambda y, s, w: sk.cohen_kappa_score(y, s, sample_weight=w),
    }
    predictions = [(each >= 0.5).astype(int) for each in scores]
    for name, metric in metrics.items():
        added = 0.5 if name in {"matthews_correlation", "cohen_kappa"} else 1.0
        assert_between_tables(found[name], metric, actual, predictions, weights, added)
    truths = [np.where(actual == 1, score, 1 - score) for score in scores]
    for name, losses in (
        ("log_loss", [-np.log(each) for each in truths]),
        ("brier_score", [(1 - each) ** 2 for each in truths]),
    ):
        expected = augmented_t(losses[0] - losses[1], weights, 2, 2)
        assert (found[name].lower, found[name].upper) == pytest.approx(expected), name
        assert found[name].method == "paired_augmented_t"


@pytest.mark.parametrize("weighted", [False, True])
def test_the_paired_interval_of_average_precision_equals_the_jackknife(
    tmp_path: Path, two_classes: dict[str, Any], seeded: np.random.Generator, weighted: bool
) -> None:
    actual, scores = two_classes["actual"], two_classes["scores"]
    weights, found = compare_binary(tmp_path, two_classes, seeded, weighted=weighted)

    def metric(y: Any, s: Any, w: Numbers) -> float:
        return float(sk.average_precision_score(y, s, sample_weight=w))

    def size(weights: Numbers) -> float:
        return float(weights.sum() ** 2 / (weights**2).sum())

    def alone(y: Any, s: Any, w: Numbers) -> float:
        return 0.0 if s is None else metric(y, s, w)

    of_all, of_positives = size(weights), size(weights[actual == 1])
    unbiased = (of_all - 1) / of_all * of_positives / (of_positives - 1)
    variances = [
        jackknife_variance(alone, actual, newer, older, weights) * unbiased
        for newer, older in ((scores[0], None), (scores[1], None), (scores[0], scores[1]))
    ]
    values = [metric(actual, score, weights) for score in scores]
    share = weights[actual == 1].sum() / weights.sum()
    both = [
        average_precision_estimate(value, variance, of_positives, share).interval
        for value, variance in zip(values, variances, strict=False)
    ]
    assert_correlated(found["average_precision"], values, both, variances)


def assert_correlated(
    found: Interval, values: Sequence[float], both: Sequence[Interval | None], variances: Sequence[float]
) -> None:
    """Check the interval against those of both values and the variances of both and of their difference."""
    [one, other] = both
    assert one is not None
    assert other is not None
    correlation = (variances[0] + variances[1] - variances[2]) / 2 / math.sqrt(variances[0] * variances[1])
    expected = correlated_interval(values[0], one, values[1], other, correlation=correlation, method="")
    assert expected is not None
    assert (found.lower, found.upper) == pytest.approx((expected.lower, expected.upper), rel=1e-4)


@pytest.mark.parametrize("averaging", ["macro", "weighted"])
def test_paired_intervals_of_averages_equal_the_jackknife(
    tmp_path: Path, seeded: np.random.Generator, averaging: str
) -> None:
    actual = seeded.integers(0, 3, 80)
    versions = [np.where(seeded.random(80) < right, actual, seeded.integers(0, 3, 80)) for right in (0.8, 0.6)]
    both = tables(actual, *({"predicted": each} for each in versions))
    found = compare(tmp_path, "classification", both, Choices(None, averaging), averaging=averaging)

    for name, function in (
        ("precision", sk.precision_score),
        ("recall", sk.recall_score),
        ("f1_score", sk.f1_score),
    ):

        def metric(y: Any, predicted: Any, weights: Numbers, function: Any = function) -> float:
            return float(function(y, predicted, sample_weight=weights, average=averaging))

        added = 1.0 if averaging == "macro" else 1 / 3
        assert_between_tables(found[name], metric, actual, versions, np.ones(80), added)


@pytest.mark.parametrize("averaging", ["macro", "weighted"])
def test_averages_over_two_classes_do_not_depend_on_the_positive_class(
    tmp_path: Path, two_classes: dict[str, Any], averaging: str
) -> None:
    alone = compare(tmp_path, "classification", binary(two_classes), Choices(None, averaging), averaging=averaging)

    found = compare(tmp_path, "classification", binary(two_classes), Choices("1", averaging), averaging=averaging)

    assert {name: found[name] for name in ("precision", "recall", "f1_score")} == {
        name: alone[name] for name in ("precision", "recall", "f1_score")
    }
    assert {"roc_auc", "log_loss", "brier_score"} <= found.keys()


def test_paired_intervals_of_losses_of_several_classes(tmp_path: Path, seeded: np.random.Generator) -> None:
    actual = seeded.integers(0, 3, 90)
    scores = [seeded.dirichlet([1, 1, 1], 90) * 0.5 + 0.5 * np.eye(3)[actual] * share for share in (1.0, 0.6)]
    scores = [each / each.sum(axis=1, keepdims=True) for each in scores]
    versions = [
        {"predicted": each.argmax(axis=1), **{f"score_{label}": each[:, label] for label in range(3)}}
        for each in scores
    ]
    found = compare(tmp_path, "classification", tables(actual, *versions), Choices(None, "weighted"))

    logs = [-np.log(each[np.arange(90), actual]) for each in scores]
    briers = [np.square(each - np.eye(3)[actual]).sum(axis=1) for each in scores]
    for name, losses in (("log_loss", logs), ("brier_score", briers)):
        expected = augmented_t(losses[0] - losses[1], np.ones(90), 2, 2)
        assert (found[name].lower, found[name].upper) == pytest.approx(expected), name


def test_paired_micro_averages_equal_the_accuracy(tmp_path: Path, two_classes: dict[str, Any]) -> None:
    found = compare(tmp_path, "classification", binary(two_classes), Choices(None, "micro"), averaging="micro")

    assert found["precision"] == found["recall"] == found["f1_score"] == found["accuracy"]


def brute_force_delong(actual: Any, scores: list[Numbers]) -> tuple[list[float], list[float]]:
    """Return two areas, and their variances and that of their difference, from all pairs of both classes."""
    placements = []
    for score in scores:
        positives, negatives = score[actual == 1], score[actual == 0]
        wins = (positives[:, None] > negatives) + (positives[:, None] == negatives) / 2
        placements.append((wins.mean(axis=1), wins.mean(axis=0)))
    (of_positives, of_negatives), (old_positives, old_negatives) = placements
    covariances = np.cov(of_positives, old_positives), np.cov(of_negatives, old_negatives)
    sizes = len(of_positives), len(of_negatives)
    matrix = covariances[0] / sizes[0] + covariances[1] / sizes[1]
    contrast = np.array([1, -1])
    variances = [float(matrix[0, 0]), float(matrix[1, 1]), float(contrast @ matrix @ contrast)]
    return [float(of_positives.mean()), float(old_positives.mean())], variances


def test_the_paired_roc_auc_interval_has_the_correlation_of_brute_force_delong(
    tmp_path: Path, two_classes: dict[str, Any]
) -> None:
    found = compare(tmp_path, "classification", binary(two_classes), Choices("1", "binary"))["roc_auc"]

    values, variances = brute_force_delong(two_classes["actual"], two_classes["scores"])
    sizes = [float((two_classes["actual"] == label).sum()) for label in (1, 0)]
    both = []
    for value, variance in zip(values, variances, strict=False):
        expected = area_variance(value, [RankedClass(1.0, *sizes)])
        ratio = (min(sizes) * variance / expected + 20) / (min(sizes) + 20)
        ratio *= (t.ppf(0.975, min(sizes) - 1) / Z) ** 2
        both.append(area_interval(value, [RankedClass(1.0, *(size / ratio for size in sizes))]))
    assert_correlated(found, values, both, variances)
    assert found.method == "paired_newcombe_5"


def test_the_paired_roc_auc_interval_is_the_same_for_the_other_class(
    tmp_path: Path, two_classes: dict[str, Any]
) -> None:
    """The score of the other class is one minus the score."""
    turned: dict[str, Any] = {
        **two_classes,
        "actual": 1 - two_classes["actual"],
        "scores": [1 - each for each in two_classes["scores"]],
    }

    there = compare(tmp_path, "classification", binary(two_classes), Choices("1", "binary"))["roc_auc"]
    back = compare(tmp_path, "classification", binary(turned), Choices("1", "binary"))["roc_auc"]

    assert (there.lower, there.upper) == pytest.approx((back.lower, back.upper))


def test_an_example_of_weight_two_counts_as_two_in_the_paired_roc_auc(
    tmp_path: Path, two_classes: dict[str, Any]
) -> None:
    weights = np.tile([1.0, 2.0], 40)
    weighted = compare(tmp_path, "classification", binary(two_classes, weights), Choices("1", "binary"))["roc_auc"]
    twice: dict[str, Any] = {
        "actual": np.repeat(two_classes["actual"], weights.astype(int)),
        "scores": [np.repeat(each, weights.astype(int)) for each in two_classes["scores"]],
    }

    (newer, older), _ = brute_force_delong(twice["actual"], twice["scores"])
    plain = compare(tmp_path, "classification", binary(twice), Choices("1", "binary"))["roc_auc"]
    assert weighted.lower < newer - older < weighted.upper
    assert weighted.lower < plain.lower < plain.upper < weighted.upper


def test_the_paired_accuracy_interval_follows_from_the_shares_that_each_version_alone_is_right_about(
    tmp_path: Path,
) -> None:
    """Of 100 examples, both versions get 70 right, the newer one alone 15, and the older one alone 5."""
    newer = ["y"] * 70 + ["y"] * 15 + ["n"] * 5 + ["n"] * 10
    older = ["y"] * 70 + ["n"] * 15 + ["y"] * 5 + ["n"] * 10
    found = compare(tmp_path, "classification", tables(["y"] * 100, {"predicted": newer}, {"predicted": older}))

    better, worse = (binomtest(count, 100).proportion_ci(method="wilson") for count in (15, 5))
    correlation = -math.sqrt(0.15 * 0.05 / (0.85 * 0.95))
    for end, one, other, sign in (
        (found["accuracy"].lower, 0.15 - better.low, worse.high - 0.05, -1),
        (found["accuracy"].upper, better.high - 0.15, 0.05 - worse.low, 1),
    ):
        margin = math.sqrt(one**2 + other**2 - 2 * correlation * one * other)
        assert end == pytest.approx(0.1 + sign * margin)
    assert found["accuracy"].method == "paired_wilson"


def test_heavy_examples_that_the_versions_disagree_on_widen_the_paired_accuracy_interval(tmp_path: Path) -> None:
    """Each version alone is right about 20 heavy positives. All negatives are right and light."""
    actual, weight = np.repeat([1, 0], [100, 900]), np.repeat([9.0, 1.0], [100, 900])
    at = np.arange(1000)
    newer, older = ({"predicted": np.where(wrong, 0, actual)} for wrong in (at < 20, (at >= 20) & (at < 40)))

    found = compare(tmp_path, "classification", tables(actual, newer, older, weight=weight), Choices("1", "binary"))

    # All weigh 1,800, and each side 180. Effective examples weigh 9 there, 5 on average.
    side = binomtest(20, 200).proportion_ci(0.95, "wilson")
    down, up = 0.1 - side.low, side.high - 0.1
    margin = math.sqrt(down**2 + up**2 + 2 * (1 / 9) * down * up)
    assert (found["accuracy"].lower, found["accuracy"].upper) == pytest.approx((-margin, margin))


@pytest.mark.parametrize("correlation", [-1.0, -0.5, 0.0, 0.3, 0.999, 1.0])
def test_a_difference_interval_is_narrower_with_correlation(correlation: float) -> None:
    one, other = Interval(0.7, 0.9, "wilson"), Interval(0.6, 0.85, "wilson")

    found = correlated_interval(0.8, one, 0.75, other, correlation=correlation, method="x")
    apart = independent_interval(0.8, one, 0.75, other)

    assert found is not None
    assert apart is not None
    assert found.lower <= 0.8 - 0.75 <= found.upper
    assert (found.upper - found.lower <= apart.upper - apart.lower) == (correlation >= 0)


def test_losses_of_grouped_examples_are_paired_by_group(tmp_path: Path, two_classes: dict[str, Any]) -> None:
    group = dict(zip(ids(80), np.arange(80) // 2, strict=True))
    versions = [{**table, "group": [group[each] for each in table["example_id"]]} for table in binary(two_classes)]

    found = compare(tmp_path, "classification", versions, Choices("1", "binary"))

    truths = [np.where(two_classes["actual"] == 1, score, 1 - score) for score in two_classes["scores"]]
    apart = (np.log(truths[1]) - np.log(truths[0])).reshape(40, 2).mean(axis=1)
    assert (found["log_loss"].lower, found["log_loss"].upper) == pytest.approx(augmented_t(apart, np.ones(40), 2, 2))


def test_nothing_is_known_about_a_class_without_examples(tmp_path: Path) -> None:
    """So an average over all classes has no interval, whichever version predicts the class."""

    def found(actual: str, newer: str, older: str, positive: str | None, averaging: str) -> dict[str, Interval]:
        versions = [
            {"example_id": ids(4), "actual": [*actual], "predicted": [*predicted]} for predicted in (newer, older)
        ]
        return compare(tmp_path, "classification", versions, Choices(positive, averaging), averaging=averaging)

    macro, weighted = (found("abab", "abcb", "abbb", None, averaging) for averaging in ("macro", "weighted"))
    rare = found("abab", "bbbb", "abbb", "a", "binary")
    negatives = found("bbbb", "abbb", "bbab", "a", "binary")

    assert set(macro) == {"accuracy", "matthews_correlation", "cohen_kappa"}
    assert set(weighted) == {*macro, "precision", "recall", "f1_score", "specificity"}
    assert "recall" in rare
    assert "precision" not in rare
    assert set(negatives) == {"accuracy"}
