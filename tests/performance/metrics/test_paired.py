"""Paired intervals of two versions on the same examples, compared with first principles."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest, t
from sklearn import metrics as sk

from performance.metrics.paired.intervals import paired_intervals
from performance.metrics.paired.paired_join import Choices
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.statistics.differences import correlated_interval, independent_interval
from performance.metrics.statistics.intervals import Interval, area_interval, area_variance
from performance.metrics.statistics.roc import average_precision_estimate
from performance.metrics.tasks.evaluators import EVALUATORS
from tests.performance.metrics.augmented import augmented_t
from tests.performance.metrics.differences import draw_samples, interval_coverage, prediction_columns
from tests.performance.metrics.tables import evaluate_columns, export_columns

Numbers = npt.NDArray[np.float64]
Metric = Callable[[Any, Any, Numbers], float]
Z = 1.959963984540054


def compare(
    folder: Path, task: str, tables: Sequence[dict[str, Any]], choices: Choices | None = None, **options: Any
) -> dict[str, Interval]:
    """Return the paired intervals of two tables of predictions, the newer one first."""
    files = [exported(folder, task, name, each, **options) for name, each in zip("no", tables, strict=True)]
    return paired_intervals(files[0], files[1], task, choices or Choices())


def exported(folder: Path, task: str, name: str, table: dict[str, Any], **options: Any) -> Path:
    """Return the file of a table's exported predictions."""
    file = export_columns(task, folder, table, **options)
    assert file is not None
    return file.rename(folder / f"{name}.parquet")


def ids(count: int) -> list[str]:
    return [f"example-{at}" for at in range(count)]


def jackknife_variance(
    metric: Metric, actual: Any, newer: Any, older: Any, weights: Numbers, squared_weights: Any = None
) -> float:
    """Return the variance of a metric's difference by the infinitesimal jackknife, with numerical derivatives.

    Efron (1982), The jackknife, the bootstrap and other resampling plans, chapter 6.
    """
    squares = weights**2 if squared_weights is None else squared_weights
    total, slopes = weights.sum(), difference_slopes(metric, actual, newer, older, weights)
    size = total**2 / squares.sum()
    return float((squares * np.square(slopes)).sum() / total**2 * size / (size - 1))


def difference_slopes(metric: Metric, actual: Any, newer: Any, older: Any, weights: Numbers) -> Numbers:
    """Return the derivatives of a metric's difference by the examples' shares of the weight.

    Examples that are alike have the same derivative, whatever their weights.
    """

    def difference(changed: Numbers) -> float:
        return metric(actual, newer, changed) - metric(actual, older, changed)

    step, slopes = 1e-4, dict[tuple[Any, ...], float]()
    examples = list(zip(actual, newer, newer if older is None else older, strict=True))
    for at, example in enumerate(examples):
        if example not in slopes:
            up, down = weights.copy(), weights.copy()
            up[at] *= 1 + step
            down[at] *= 1 - step
            slopes[example] = (difference(up) - difference(down)) / (2 * step * weights[at])
    return np.array([slopes[example] for example in examples]) * float(weights.sum())


def with_more_examples(
    actual: Any, versions: Sequence[Any], weights: Numbers, added: float, *, of_newer: bool
) -> tuple[Any, Any, Any, Numbers, Numbers]:
    """Return the examples, and `added` more of each class that the newer or the older version alone predicts rightly.

    The last two are the weights and the squared weights.
    """
    newer, older = versions
    labels = sorted({*actual, *newer, *older})
    more: list[tuple[Any, Any, Any, float, float]] = []
    for label in sorted(set(actual)):
        of_class = weights[actual == label]
        unit, share = (of_class**2).sum() / of_class.sum(), added / (len(labels) - 1)
        for wrong in (other for other in labels if other != label):
            pair = (label, wrong) if of_newer else (wrong, label)
            more.append((label, *pair, share * unit, share * unit**2))
    columns = (actual, newer, older, weights, weights**2)
    return tuple(np.concatenate([old, [row[at] for row in more]]) for at, old in enumerate(columns))  # type: ignore[return-value]


def assert_between_tables(
    interval: Interval, metric: Metric, actual: Any, versions: Sequence[Any], weights: Numbers, added: float
) -> None:
    """Check that each end is that of a table with more examples on its side."""
    for end, of_newer, sign in ((interval.lower, False, -1), (interval.upper, True, 1)):
        y, one, other, w, squares = with_more_examples(actual, versions, weights, added, of_newer=of_newer)
        difference = metric(y, one, w) - metric(y, other, w)
        spread = Z * math.sqrt(jackknife_variance(metric, y, one, other, w, squares))
        assert end == pytest.approx(difference + sign * spread, rel=1e-4, abs=1e-5)


# Classes


@pytest.fixture
def two_classes(seeded: np.random.Generator) -> dict[str, Any]:
    """The scores and predictions of two versions for 80 examples of two classes, with ties."""
    actual = seeded.integers(0, 2, 80)
    common = actual + seeded.normal(0, 0.8, 80)
    scores = [1 / (1 + np.exp(-(common + seeded.normal(0, noise, 80)))) for noise in (0.3, 0.9)]
    return {"actual": actual, "scores": [np.round(score, 2) for score in scores]}


@pytest.fixture
def seeded() -> np.random.Generator:
    return np.random.default_rng(20)


def tables(actual: Any, *versions: dict[str, Any], weight: Numbers | None = None) -> list[dict[str, Any]]:
    """Return the table of each version. The order of the older one is reversed."""
    count = len(actual)
    whole = [
        {"example_id": ids(count), "actual": actual, **each, **({} if weight is None else {"weight": weight})}
        for each in versions
    ]
    backwards = {name: list(values)[::-1] for name, values in whole[1].items()}
    return [{name: list(values) for name, values in whole[0].items()}, backwards]


def binary(two_classes: dict[str, Any], weight: Numbers | None = None) -> list[dict[str, Any]]:
    versions = [{"predicted": (score >= 0.5).astype(int), "score": score} for score in two_classes["scores"]]
    return tables(two_classes["actual"], *versions, weight=weight)


@pytest.mark.parametrize("weighted", [False, True])
def test_paired_intervals_of_two_classes_equal_the_jackknife(
    tmp_path: Path, two_classes: dict[str, Any], seeded: np.random.Generator, weighted: bool
) -> None:
    actual, scores = two_classes["actual"], two_classes["scores"]
    weights = seeded.choice([0.5, 1.0, 2.5], len(actual)) if weighted else np.ones(len(actual))
    found = compare(
        tmp_path, "classification", binary(two_classes, weights if weighted else None), Choices("1", "binary")
    )

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
        added = 0.75 if name in {"matthews_correlation", "cohen_kappa"} else 1.5
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
    weights = seeded.choice([0.5, 1.0, 2.5], len(actual)) if weighted else np.ones(len(actual))
    found = compare(
        tmp_path, "classification", binary(two_classes, weights if weighted else None), Choices("1", "binary")
    )

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
    both = [
        average_precision_estimate(value, variance, of_positives).interval
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

        added = 1.5 if averaging == "macro" else 0.5
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
        ratio = (min(sizes) * variance / area_variance(value, *sizes) + 20) / (min(sizes) + 20)
        ratio *= (t.ppf(0.975, min(sizes) - 1) / Z) ** 2
        both.append(area_interval(value, sizes[0] / ratio, sizes[1] / ratio))
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


@pytest.mark.parametrize("correlation", [-1.0, -0.5, 0.0, 0.3, 0.999, 1.0])
def test_a_difference_interval_is_narrower_with_correlation(correlation: float) -> None:
    one, other = Interval(0.7, 0.9, "wilson"), Interval(0.6, 0.85, "wilson")

    found = correlated_interval(0.8, one, 0.75, other, correlation=correlation, method="x")
    apart = independent_interval(0.8, one, 0.75, other)

    assert found is not None
    assert apart is not None
    assert found.lower <= 0.8 - 0.75 <= found.upper
    assert (found.upper - found.lower <= apart.upper - apart.lower) == (correlation >= 0)


# Numbers


@pytest.fixture
def numbers(seeded: np.random.Generator) -> list[dict[str, Any]]:
    actual = seeded.normal(100, 20, 200)
    hard = seeded.normal(0, 10, 200)
    versions = [{"predicted": actual + hard + seeded.normal(bias, 3, 200)} for bias in (1, 4)]
    return tables(actual, *versions, weight=seeded.choice([0.5, 1.0, 2.0], 200))


def scores_by_jackknife(metric: Metric, actual: Any, newer: Any, older: Any, weights: Numbers) -> Numbers:
    """Return what each example contributes to a metric's difference, with numerical derivatives.

    Their weighted mean is the difference. Efron (1982), The jackknife, the bootstrap and other resampling plans,
    chapter 6.
    """

    difference = metric(actual, newer, weights) - metric(actual, older, weights)
    return difference_slopes(metric, actual, newer, older, weights) + difference


def test_paired_intervals_of_regression_follow_from_the_jackknife(
    tmp_path: Path, numbers: list[dict[str, Any]]
) -> None:
    actual, weights = np.array(numbers[0]["actual"]), np.array(numbers[0]["weight"])
    newer, older = np.array(numbers[0]["predicted"]), np.array(numbers[1]["predicted"])[::-1]
    found = compare(tmp_path, "regression", numbers)

    def ratio(above: Any, below: Any, weights: Numbers) -> float:
        return float(weights @ above / (weights @ below))

    def unexplained(error: Any, actual: Any, weights: Numbers) -> float:
        return ratio(error**2, (actual - ratio(actual, np.ones(len(actual)), weights)) ** 2, weights)

    one = np.ones(len(actual))
    metrics: dict[str, Metric] = {
        "rmse": lambda y, p, w: math.sqrt(ratio((p - y) ** 2, one, w)),
        "mae": lambda y, p, w: ratio(abs(p - y), one, w),
        "mape": lambda y, p, w: ratio(abs((p - y) / y), one, w),
        "r_squared": lambda y, p, w: 1 - unexplained(p - y, y, w),
        "explained_variance": lambda y, p, w: 1 - unexplained(p - y - ratio(p - y, one, w), y, w),
        "bias": lambda y, p, w: ratio(p - y, one, w),
        "wape": lambda y, p, w: ratio(abs(p - y), abs(y), w),
        "smape": lambda y, p, w: ratio(2 * abs(p - y) / (abs(p) + abs(y)), one, w),
    }
    for name, function in {
        "rmse": sk.root_mean_squared_error,
        "mae": sk.mean_absolute_error,
        "mape": sk.mean_absolute_percentage_error,
        "r_squared": sk.r2_score,
        "explained_variance": sk.explained_variance_score,
    }.items():
        assert metrics[name](actual, newer, weights) == pytest.approx(function(actual, newer, sample_weight=weights))
    assert set(found) == set(metrics)
    for name, metric in metrics.items():
        scores = scores_by_jackknife(metric, actual, newer, older, weights)
        ends = augmented_t(scores, weights, 2, 2)
        assert (found[name].lower, found[name].upper) == pytest.approx(ends, rel=1e-5), name
        assert found[name].method == "paired_augmented_t"


@pytest.mark.parametrize("grouped", [False, True])
def test_of_several_series_or_groups_each_is_one_draw(
    tmp_path: Path, seeded: np.random.Generator, grouped: bool
) -> None:
    series = np.repeat(np.arange(24), 10)
    actual = seeded.normal(50, 5, 240)
    hard = np.repeat(seeded.uniform(2, 4, 24), 10)
    unit = series // 2 if grouped else series
    extra = {"series_id": series, "scale": 1.0 + series % 2, **({"group": unit} if grouped else {})}
    versions = [{"predicted": actual + hard * factor + seeded.normal(0, 1, 240), **extra} for factor in (1, 1.2)]
    found = compare(tmp_path, "forecasting", tables(actual, *versions))

    apart = abs(versions[0]["predicted"] - actual) - abs(versions[1]["predicted"] - actual)
    for name, scores in {"mae": apart, "mase": apart / extra["scale"]}.items():
        of_units = np.array([scores[unit == one].mean() for one in np.unique(unit)])
        ends = augmented_t(of_units, np.ones(len(of_units)), 2, 2)
        assert (found[name].lower, found[name].upper) == pytest.approx(ends), name


def test_forecasts_of_one_series_have_no_paired_interval(tmp_path: Path, seeded: np.random.Generator) -> None:
    actual = seeded.normal(50, 5, 100)
    versions = [{"predicted": actual + seeded.normal(0, 1, 100)} for _ in range(2)]

    assert not compare(tmp_path, "forecasting", tables(actual, *versions))
    assert compare(tmp_path, "regression", tables(actual, *versions))


def test_other_groups_are_not_paired(tmp_path: Path) -> None:
    table = {"example_id": ids(40), "actual": range(40), "predicted": np.arange(40) * 1.1, "group": np.arange(40) // 2}

    assert compare(tmp_path, "regression", [table, table])
    assert not compare(tmp_path, "regression", [table, {**table, "group": np.arange(40) // 4}])


# Rankings


def test_rankings_are_paired_by_query(tmp_path: Path, seeded: np.random.Generator) -> None:
    queries = np.repeat(np.arange(150), 8)
    relevance = seeded.integers(0, 3, 1200)
    versions = [
        {"query_id": queries, "relevance": relevance, "score": relevance + seeded.normal(0, noise, 1200)}
        for noise in (0.5, 2.0)
    ]
    found = compare(tmp_path, "ranking", versions)

    assert set(found) == {"map", "mrr", "ndcg"}  # no query has more than k items, so the others are alike
    evaluated = [evaluate_columns(EVALUATORS["ranking"], tmp_path, each) for each in versions]
    for name, interval in found.items():
        difference = float(evaluated[0].metrics[name] or 0) - float(evaluated[1].metrics[name] or 0)
        assert interval.lower < difference < interval.upper
    by_query = [
        [float(sk.ndcg_score([relevance[queries == query]], [each["score"][queries == query]])) for query in range(150)]
        for each in versions
    ]
    ends = augmented_t(np.subtract(by_query[0], by_query[1]), np.ones(150), 2, 2)
    assert (found["ndcg"].lower, found["ndcg"].upper) == pytest.approx(ends)


def test_rankings_of_grouped_queries_are_paired_by_group(tmp_path: Path, seeded: np.random.Generator) -> None:
    queries = np.repeat(np.arange(120), 8)
    relevance = seeded.integers(0, 3, 960)
    versions = [
        {
            "query_id": queries,
            "relevance": relevance,
            "score": relevance + seeded.normal(0, noise, 960),
            "group": queries // 4,
        }
        for noise in (0.5, 2.0)
    ]
    found = compare(tmp_path, "ranking", versions)["ndcg"]

    by_query = [
        [float(sk.ndcg_score([relevance[queries == query]], [each["score"][queries == query]])) for query in range(120)]
        for each in versions
    ]
    of_groups = np.subtract(by_query[0], by_query[1]).reshape(30, 4).mean(axis=1)
    assert (found.lower, found.upper) == pytest.approx(augmented_t(of_groups, np.ones(30), 2, 2))


def test_equal_rankings_do_not_differ(tmp_path: Path) -> None:
    table = {"query_id": [1, 1, 2], "relevance": [1, 0, 1], "score": [0.5, 0.4, 0.3]}

    found = compare(tmp_path, "ranking", [table, table])

    assert {(each.lower, each.upper) for each in found.values()} == {(0, 0)}
    assert set(found) == {"map", "mrr", "ndcg", "precision_at_k", "recall_at_k"}


@pytest.mark.parametrize(
    "change",
    [
        {"query_id": [1, 1, 3]},
        {"relevance": [1, 0, 0]},
        {"query_id": [1, 1, 2, 2], "relevance": [1, 0, 1, 0], "score": [0.5, 0.4, 0.3, 0.2]},
    ],
)
def test_other_queries_or_other_relevance_are_not_paired(tmp_path: Path, change: dict[str, Any]) -> None:
    table = {"query_id": [1, 1, 2], "relevance": [1, 0, 1], "score": [0.5, 0.4, 0.3]}

    assert compare(tmp_path, "ranking", [table, table])
    assert not compare(tmp_path, "ranking", [table, {**table, **change}])


# What is no pair


TABLE: dict[str, list[Any]] = {
    "example_id": ["a", "b", "c"],
    "actual": [1, 2, 3],
    "predicted": [1, 2, 4],
    "weight": [1.0, 1.0, 2.0],
}


@pytest.mark.parametrize("task", ["classification", "regression", "forecasting"])
@pytest.mark.parametrize(
    "change",
    [
        {"example_id": ["a", "b", "d"]},
        {"example_id": ["a", "b", "b"]},
        {"example_id": ["a", "b", None]},
        {"actual": [1, 2, 4]},
        {"weight": [1.0, 1.0, 1.0]},
        {"weight": None},
        {name: [*values, values[0]] for name, values in TABLE.items()},
        {name: values[:2] for name, values in TABLE.items()},
    ],
)
def test_other_examples_are_not_paired(tmp_path: Path, task: str, change: dict[str, Any]) -> None:
    changed = {name: values for name, values in {**TABLE, **change}.items() if values is not None}
    choices = Choices(None, "macro")

    here, there = exported(tmp_path, task, "here", TABLE), exported(tmp_path, task, "there", changed)

    assert paired_intervals(here, here, task, choices)
    assert not paired_intervals(here, there, task, choices)
    assert not paired_intervals(there, here, task, choices)
    if len(set(changed["example_id"])) < len(changed["example_id"]) or None in changed["example_id"]:
        assert not paired_intervals(there, there, task, choices)


def test_a_million_rows_of_one_id_are_not_joined_with_each_other(tmp_path: Path) -> None:
    column = pa.array(["a"] * 1_000_000)
    pq.write_table(pa.table({"example_id": column, "actual": column, "predicted": column}), tmp_path / "kept.parquet")

    assert not paired_intervals(
        tmp_path / "kept.parquet", tmp_path / "kept.parquet", "classification", Choices(None, "macro")
    )


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for name in ("newer", "older"):
        (tmp_path / name).write_text("no Parquet")

    with pytest.raises(UnprocessablePredictionsError):
        paired_intervals(tmp_path / "newer", tmp_path / "older", "regression", Choices())


def test_a_small_file_that_expands_to_gigabytes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "kept.parquet"
    texts = duckdb.sql(
        "SELECT repeat('x', 30000) || range AS example_id, 'a' AS actual, 'a' AS predicted FROM range(16000)"
    )
    assert texts is not None
    texts.write_parquet(str(file), compression="zstd")
    assert file.stat().st_size < 2**20

    with pytest.raises(UnprocessablePredictionsError):
        paired_intervals(file, file, "classification", Choices(None, "macro"), disk="64MB")


# The edges


@pytest.mark.parametrize("task", EVALUATORS)
def test_whatever_is_evaluated_can_be_paired(tmp_path: Path, task: str) -> None:
    labels = {"actual": [0, 1, 1, 0], "predicted": [0, 1, 0, 1], "score": [0.1, 0.9, 0.4, 0.6]}
    table = {"example_id": ids(4), **labels, "query_id": [1, 1, 2, 2], "relevance": [0, 1, 1, 0]}

    assert compare(tmp_path, task, [table, table], Choices("1", "binary"))


def test_equal_predictions_do_not_differ(
    tmp_path: Path, two_classes: dict[str, Any], numbers: list[dict[str, Any]]
) -> None:
    same = binary({**two_classes, "scores": [two_classes["scores"][0]] * 2})
    classes = compare(tmp_path, "classification", same, Choices("1", "binary"))
    of_numbers = compare(tmp_path, "regression", [numbers[0]] * 2)

    assert {"accuracy", "roc_auc", "log_loss", "f1_score"} <= set(classes)
    assert {(each.lower, each.upper, each.method) for each in classes.values()} == {(0, 0, "identical")}
    assert {"rmse", "r_squared", "mae"} <= set(of_numbers)
    for interval in classes.values():
        assert (interval.lower, interval.upper) == pytest.approx((0, 0), abs=1e-12)
    for interval in of_numbers.values():
        assert (interval.lower, interval.upper) == (0, 0)


def test_what_does_not_vary_in_the_sample_has_a_wide_interval(tmp_path: Path) -> None:
    """Both versions separate the classes completely with different scores, which says little about other samples."""
    table = {"example_id": ids(6), "actual": [0, 0, 0, 1, 1, 1], "predicted": [0, 0, 0, 1, 1, 1]}
    scores = [[0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [0.2, 0.1, 0.3, 0.9, 0.8, 0.7]]

    found = compare(tmp_path, "classification", [{**table, "score": each} for each in scores], Choices("1", "binary"))

    for name in ("accuracy", "roc_auc", "precision", "f1_score", "matthews_correlation"):
        assert found[name].lower < -0.3 < 0.3 < found[name].upper, name
    assert "log_loss" not in found  # six examples are too few


def test_differences_of_grouped_examples_follow_from_the_intervals_of_both(tmp_path: Path) -> None:
    """These allow for the groups already. Identical predictions cannot differ, grouped or not."""
    table = {"example_id": ids(6), "actual": [0, 0, 0, 1, 1, 1], "group": [1, 1, 2, 2, 3, 3]}
    versions = [{**table, "predicted": each} for each in ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1])]

    assert not compare(tmp_path, "classification", versions, Choices("1", "binary"))
    assert compare(tmp_path, "classification", [versions[0]] * 2, Choices("1", "binary"))["accuracy"].upper == 0


def test_losses_of_grouped_examples_are_paired_by_group(tmp_path: Path, two_classes: dict[str, Any]) -> None:
    group = dict(zip(ids(80), np.arange(80) // 2, strict=True))
    versions = [{**table, "group": [group[each] for each in table["example_id"]]} for table in binary(two_classes)]

    found = compare(tmp_path, "classification", versions, Choices("1", "binary"))

    truths = [np.where(two_classes["actual"] == 1, score, 1 - score) for score in two_classes["scores"]]
    apart = (np.log(truths[1]) - np.log(truths[0])).reshape(40, 2).mean(axis=1)
    assert set(found) == {"log_loss", "brier_score"}
    assert (found["log_loss"].lower, found["log_loss"].upper) == pytest.approx(augmented_t(apart, np.ones(40), 2, 2))


@pytest.mark.parametrize("task", ["classification", "regression", "forecasting"])
def test_one_example_tells_of_no_variance(tmp_path: Path, task: str) -> None:
    table = {"example_id": ["a"], "actual": [1], "predicted": [1], "score": [0.75]}
    other = {"score": [0.5]} if task == "classification" else {"predicted": [2]}

    assert not {"mae", "log_loss"} & set(compare(tmp_path, task, [table, {**table, **other}]))


def test_a_constant_target_has_no_share_explained(tmp_path: Path) -> None:
    predicted = 1 + np.arange(30) / 30
    tables = [{"example_id": ids(30), "actual": [1.0] * 30, "predicted": each} for each in (predicted, [1.0] * 30)]

    found = compare(tmp_path, "regression", tables)

    assert "r_squared" not in found
    assert "rmse" not in found  # one is 0, near which the root is not straight
    assert found["mae"].lower < predicted.mean() - 1 < found["mae"].upper


@pytest.mark.parametrize("large", [1e150, 1e300])
def test_numbers_near_the_end_of_a_double_give_finite_intervals_or_none(tmp_path: Path, large: float) -> None:
    tables = [
        {"example_id": ids(3), "actual": [large, -large, 0.0], "predicted": each}
        for each in ([large, 0, 1], [0, large, 2])
    ]

    try:
        found = compare(tmp_path, "regression", tables)
    except UnprocessablePredictionsError:
        return
    assert all(math.isfinite(each.lower) and math.isfinite(each.upper) for each in found.values())


def test_a_class_that_only_one_version_predicts_is_one_of_its_own(tmp_path: Path) -> None:
    table = {"example_id": ids(4), "actual": ["a", "b", "a", "b"]}
    versions = [{**table, "predicted": each} for each in (["a", "b", "c", "b"], ["a", "b", "b", "b"])]

    found = compare(tmp_path, "classification", versions, Choices(None, "macro"), averaging="macro")

    evaluated: list[Evaluation] = [
        evaluate_columns(EVALUATORS["classification"], tmp_path, each, averaging="macro") for each in versions
    ]
    difference = float(evaluated[0].metrics["recall"] or 0) - float(evaluated[1].metrics["recall"] or 0)
    assert found["recall"].lower < difference < found["recall"].upper


# How often the truth is within


@pytest.mark.once
def test_paired_intervals_cover_the_true_difference(tmp_path: Path) -> None:
    """This is a part of what `tests.benchmarks.coverage` simulates. The standard error of a share is 0.034."""
    shares = interval_coverage(tmp_path, samples=40, size=250)

    assert all(0.86 <= share <= 1 for share in shares.values()), shares


def test_paired_intervals_are_narrower_for_versions_with_correlated_errors(tmp_path: Path) -> None:
    actual, odds = draw_samples(np.random.default_rng(3), 400)
    tables = [{"example_id": ids(400), **prediction_columns(actual, each)} for each in odds]
    found = compare(tmp_path, "classification", tables, Choices("1", "binary"))
    newer, older = (evaluate_columns(EVALUATORS["classification"], tmp_path, each) for each in tables)

    for name, interval in found.items():
        apart = independent_interval(
            newer.metrics[name] or 0,
            newer.confidence_intervals[name],
            older.metrics[name] or 0,
            older.confidence_intervals[name],
        )
        assert apart is not None
        assert interval.upper - interval.lower < 0.9 * (apart.upper - apart.lower), name
