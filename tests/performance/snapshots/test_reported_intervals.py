"""Reported confidence intervals and standard errors."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from models_registry import task_types
from models_registry.registry.models import RegisteredModel
from performance.gates.policy import stored_policy
from performance.gates.selectors import judge_version
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from performance.snapshots.reported_metrics import ReportedMetrics, complete
from tests.api import Caller, faults
from tests.performance.snapshots.reports import GOOD, SNAPSHOTS, send_report

pytestmark = pytest.mark.django_db


def test_reported_intervals_are_stored(ed: Caller) -> None:
    body = send_report(ed, {**GOOD, "confidence_intervals": {"accuracy": {"lower": 0.9, "upper": 0.97}}})

    interval = {"lower": 0.9, "upper": 0.97, "level": 0.95, "method": "reported"}
    assert body["confidence_intervals"] == {"accuracy": interval}
    assert body["intervals_unavailable"] == {}


def test_a_standard_error_becomes_an_interval(ed: Caller) -> None:
    metrics = {"accuracy": 0.9, "log_loss": 0.3}

    body = send_report(ed, {**GOOD, "metrics": metrics, "standard_errors": {"accuracy": 0.03, "log_loss": 0.2}})

    found = body["confidence_intervals"]
    assert {each["method"] for each in found.values()} == {"reported standard error"}
    odds, spread = math.log(9), 1.959964 * 0.03 / 0.09
    expected = [1 / (1 + math.exp(-(odds + sign * spread))) for sign in (-1, 1)]
    assert [found["accuracy"]["lower"], found["accuracy"]["upper"]] == pytest.approx(expected, abs=1e-6)
    assert found["log_loss"]["lower"] == 0  # log loss is not negative
    assert found["log_loss"]["upper"] == pytest.approx(0.3 + 1.959964 * 0.2, abs=1e-6)


def test_a_proportion_of_a_known_number_of_examples_has_wilsons_interval(ed: Caller) -> None:
    body = send_report(ed, {**GOOD, "metrics": {"accuracy": 0.9, "roc_auc": 0.95}, "sample_count": 100})

    interval = body["confidence_intervals"]["accuracy"]
    assert interval["method"] == "wilson"
    assert (interval["lower"], interval["upper"]) == pytest.approx((0.825634, 0.944771), abs=1e-6)
    assert list(body["intervals_unavailable"]) == ["roc_auc"]


def test_a_metric_without_an_interval_says_what_it_takes(ed: Caller) -> None:
    reasons = send_report(ed, {**GOOD, "metrics": {"accuracy": 0.9, "roc_auc": 0.95}})["intervals_unavailable"]
    assert "`sample_count`" in reasons["accuracy"]
    assert "`standard_errors`" in reasons["roc_auc"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"confidence_intervals": {"accuracy": {"lower": 0.96, "upper": 0.97}}}, "confidence_intervals.accuracy"),
        ({"confidence_intervals": {"accuracy": {"lower": 0.9, "upper": 0.94}}}, "confidence_intervals.accuracy"),
        ({"confidence_intervals": {"accuracy": {"lower": 0.95, "upper": 0.95}}}, "confidence_intervals.accuracy"),
        ({"confidence_intervals": {"accuracy": {"lower": 0.9, "upper": 1.1}}}, "confidence_intervals.accuracy"),
        ({"confidence_intervals": {"recall": {"lower": 0.9, "upper": 1}}}, "confidence_intervals.recall"),
        ({"confidence_intervals": {"x" * 500: {"lower": 0.9, "upper": 1}}}, f"confidence_intervals.{'x' * 40}"),
        (
            {"confidence_intervals": {"accuracy": {"lower": 0.99, "upper": 0.9}}},
            "confidence_intervals.accuracy.lower",
        ),
        ({"confidence_intervals": {"accuracy": {"lower": 0.9}}}, "confidence_intervals.accuracy.upper"),
        (
            {"confidence_intervals": {"accuracy": {"lower": 0.9, "upper": 1, "level": 0.9}}},
            "confidence_intervals.accuracy.level",
        ),
        ({"confidence_intervals": {"accuracy": [0.9, 1]}}, "confidence_intervals.accuracy"),
        ({"confidence_intervals": []}, "confidence_intervals"),
        ({"standard_errors": {"accuracy": 0}}, "standard_errors.accuracy"),
        ({"standard_errors": {"accuracy": -0.1}}, "standard_errors.accuracy"),
        ({"standard_errors": {"accuracy": 1e300}}, "standard_errors.accuracy"),
        ({"standard_errors": {"accuracy": "0.1"}}, "standard_errors.accuracy"),
        ({"standard_errors": {"recall": 0.1}}, "standard_errors.recall"),
        (
            {
                "standard_errors": {"accuracy": 0.1},
                "confidence_intervals": {"accuracy": {"lower": 0.9, "upper": 1}},
            },
            "standard_errors.accuracy",
        ),
    ],
)
def test_an_impossible_interval_is_refused_and_nothing_is_stored(
    ed: Caller, change: dict[str, Any], field: str
) -> None:
    stored = MetricSnapshot.objects.count(), SnapshotDetail.objects.count()

    assert [name for name, _ in faults(ed.post(SNAPSHOTS, {**GOOD, **change}))] == [field]
    assert (MetricSnapshot.objects.count(), SnapshotDetail.objects.count()) == stored


MATRIX = {"labels": ["0", "1"], "counts": [[45, 5], [5, 45]]}
IMBALANCED = {"labels": ["a", "b", "c"], "counts": [[80, 5, 5], [3, 4, 0], [0, 1, 2]]}
OF_100 = {"sample_count": 100}
OF_MATRIX = {"confusion_matrix": MATRIX}
BINARY = {"evaluation_options": {"averaging": "binary", "positive_class": "1"}}
MACRO = {"confusion_matrix": IMBALANCED, "evaluation_options": {"averaging": "macro"}}
CLASS_RECALL = {"per_class": {"1": {"recall": 0.9, "support": 20}}}


@pytest.mark.parametrize(
    ("examples", "name", "value", "interval"),
    [
        (OF_100, "accuracy", 0.9, (0.89, 0.91)),
        (OF_MATRIX, "accuracy", 0.9, (0.89, 0.91)),
        (OF_100, "accuracy", 0.9, (0.8999, 0.96)),  # one end alone
        (OF_100, "accuracy", 0.9, (0.82, 0.9001)),
        (OF_100, "accuracy", 1, (0.9999, 1)),
        (OF_100, "accuracy", 0, (0, 0.0001)),
        (OF_MATRIX, "recall", 0.9, (0.89999, 0.90001)),
        (OF_MATRIX, "precision", 0.9, (0.89999, 0.90001)),
        (OF_MATRIX, "specificity", 0.9, (0.89999, 0.96)),
        (OF_MATRIX, "f1_score", 0.9, (0.89999, 0.90001)),
        (OF_MATRIX, "balanced_accuracy", 0.9, (0.89999, 0.95)),
        (OF_MATRIX, "matthews_correlation", 0.8, (0.79999, 0.80001)),
        (OF_MATRIX, "cohen_kappa", 0.8, (0.7, 0.80001)),
        (OF_MATRIX, "per_class.1.recall", 0.9, (0.89999, 0.90001)),
        (OF_MATRIX, "roc_auc", 0.9, (0.8999, 0.95)),
        (MACRO, "recall", 0.709, (0.7089, 0.7091)),
        (MACRO, "precision", 0.55, (0.4, 0.5501)),
        ({**OF_100, **BINARY}, "recall", 0.9, (0.8999, 0.95)),
        ({**OF_100, **BINARY}, "f1_score", 0.9, (0.8999, 0.95)),
        ({**OF_100, "evaluation_options": {"averaging": "micro"}}, "f1_score", 0.9, (0.8999, 0.95)),
        ({**OF_100, "evaluation_options": {"averaging": "weighted"}}, "recall", 0.9, (0.8999, 0.95)),
        ({**OF_100, **CLASS_RECALL}, "per_class.1.recall", 0.9, (0.87, 0.92)),  # of the 20 examples of the class
        ({"sample_count": 10}, "roc_auc", 0.9, (0.8999, 0.9001)),
        ({"sample_count": 10}, "roc_auc", 0.9, (0.7, 0.91)),
        ({"sample_count": 10}, "roc_auc", 1, (0.99, 1)),
    ],
)
def test_an_end_that_is_too_near_for_its_examples_is_refused(
    ed: Caller, examples: dict[str, Any], name: str, value: float, interval: tuple[float, float]
) -> None:
    lower, upper = interval
    metrics = {} if name.startswith("per_class") else {name: value}
    report = {**GOOD, "metrics": {"log_loss": 0.5, **metrics}, **examples}
    intervals = {name: {"lower": lower, "upper": upper}}

    answer = ed.post(SNAPSHOTS, {**report, "confidence_intervals": intervals})

    assert faults(answer) == [(f"confidence_intervals.{name}", "contradiction")]


@pytest.mark.parametrize("name", ["accuracy", "recall", "precision", "f1_score", "balanced_accuracy", "roc_auc"])
def test_a_standard_error_that_is_too_small_for_its_examples_is_refused(ed: Caller, name: str) -> None:
    report = {**GOOD, **OF_MATRIX, "metrics": {name: 0.9}, "standard_errors": {name: 1e-5}}

    assert faults(ed.post(SNAPSHOTS, report)) == [(f"standard_errors.{name}", "contradiction")]
    assert send_report(ed, {**report, "standard_errors": {name: 0.03}})["confidence_intervals"][name]


def test_an_end_as_far_as_the_rounding_of_its_decimals_is_accepted(ed: Caller) -> None:
    report = {**GOOD, "metrics": {"accuracy": 0.9}, "sample_count": 10_000}

    for lower, upper in ((0.9, 0.91), (0.89, 0.9)):  # of 0.9049 and 0.8951
        interval = {"accuracy": {"lower": lower, "upper": upper}}
        assert send_report(ed, {**report, "confidence_intervals": interval})


def test_an_interval_of_a_class_that_is_too_narrow_for_the_matrix_is_refused(ed: Caller) -> None:
    interval = {"per_class.1.recall": {"lower": 0.89, "upper": 0.91}}

    answer = ed.post(
        SNAPSHOTS, {**GOOD, "metrics": {"accuracy": 0.9}, "confusion_matrix": MATRIX, "confidence_intervals": interval}
    )

    assert faults(answer) == [("confidence_intervals.per_class.1.recall", "contradiction")]
    detail = answer.json()["errors"][0]["detail"]
    assert "but 100 examples imply" in detail
    assert "Leave it out, and the service computes the interval." in detail


def test_a_bootstrap_interval_of_an_average_over_classes_near_1_is_accepted(ed: Caller) -> None:
    matrix = {"labels": ["a", "b", "c"], "counts": [[143, 2, 0], [0, 50, 0], [0, 0, 5]]}
    recalls = np.random.default_rng(1).binomial(145, 143 / 145, size=1000) / 145
    lower, upper = ((2 + end) / 3 for end in np.quantile(recalls, [0.025, 0.975]))
    intervals = {name: {"lower": lower, "upper": upper} for name in ("balanced_accuracy", "recall")}
    metrics = dict.fromkeys(intervals, (2 + 143 / 145) / 3)
    report = {**GOOD, "metrics": metrics, "confusion_matrix": matrix, "evaluation_options": {"averaging": "macro"}}

    derived = send_report(ed, report)["confidence_intervals"]
    stored = send_report(ed, {**report, "confidence_intervals": intervals})["confidence_intervals"]

    assert upper - lower < 0.25 * (derived["balanced_accuracy"]["upper"] - derived["balanced_accuracy"]["lower"])
    for name in intervals:
        assert (stored[name]["lower"], stored[name]["method"]) == (lower, "reported")


@pytest.mark.parametrize("errors", [1, 2, 10, 50])
@pytest.mark.parametrize("count", [100, 1000])
def test_an_interval_by_the_normal_distribution_is_wide_enough(ed: Caller, errors: int, count: int) -> None:
    share = 1 - errors / count
    half = 1.96 * math.sqrt(share * (1 - share) / count)
    interval = {"lower": share - half, "upper": min(share + half, 1)}

    body = send_report(
        ed,
        {**GOOD, "metrics": {"accuracy": share}, "sample_count": count, "confidence_intervals": {"accuracy": interval}},
    )

    assert body["confidence_intervals"]["accuracy"]["lower"] == interval["lower"]


def resample(
    random: np.random.Generator, counts: np.ndarray, averaging: str
) -> dict[str, tuple[float, tuple[float, float], float]]:
    """Return the metrics of a confusion matrix, with the quantiles and the deviation of those of resampled examples."""
    actual, predicted = (np.repeat(each.ravel(), counts.ravel()) for each in np.indices(counts.shape))
    total = len(actual)
    rows = random.integers(0, total, (50, total))
    resampled = [metrics_of(actual[each], predicted[each], averaging) for each in rows]
    found = {}
    for name, value in metrics_of(actual, predicted, averaging).items():
        values = [each[name] for each in resampled]
        lower, upper = (float(each) for each in np.quantile(values, [0.025, 0.975]))
        found[name] = float(value), (lower, upper), float(np.std(values))
    return found


def metrics_of(actual: np.ndarray, predicted: np.ndarray, averaging: str) -> dict[str, float]:
    chosen: dict[str, Any] = {"average": averaging, "zero_division": 0}
    return {
        "accuracy": sk.accuracy_score(actual, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(actual, predicted),
        "matthews_correlation": sk.matthews_corrcoef(actual, predicted),
        "cohen_kappa": sk.cohen_kappa_score(actual, predicted),
        "precision": sk.precision_score(actual, predicted, **chosen),
        "recall": sk.recall_score(actual, predicted, **chosen),
        "f1_score": sk.f1_score(actual, predicted, **chosen),
    }


@pytest.mark.parametrize("averaging", ["binary", "macro", "weighted", "micro"])
def test_the_intervals_of_resampled_examples_are_wide_enough(averaging: str) -> None:
    random, total = np.random.default_rng(1), 60
    rates = np.array([[70, 4], [2, 24]] if averaging == "binary" else [[70, 2, 1], [2, 18, 0], [1, 1, 5]])
    counts = random.multinomial(total, (rates / rates.sum()).ravel()).reshape(rates.shape)
    matrix: Any = {"labels": [str(each) for each in range(len(counts))], "counts": counts.tolist()}
    options = {"averaging": averaging} | ({"positive_class": "1"} if averaging == "binary" else {})
    for name, (value, quantiles, deviation) in resample(random, counts, averaging).items():
        normal = value - 1.96 * deviation, min(value + 1.96 * deviation, 1.0)
        for lower, upper in (quantiles, normal):
            for decimals, has_matrix in product((2, 3, 15), (True, False)):
                interval = Interval(round(lower, decimals), round(upper, decimals), "reported")
                if interval.lower == interval.upper:  # where no example of the class was predicted wrongly
                    continue
                reported = ReportedMetrics(
                    {name: round(value, decimals)},
                    sample_count=total,
                    matrix=matrix if has_matrix else None,
                    intervals={name: interval},
                    options=dict(options),
                )

                assert complete(task_types.get("classification"), reported) == []


@pytest.mark.parametrize("seed", range(40))
def test_delongs_intervals_of_roc_auc_are_wide_enough(seed: int) -> None:
    random = np.random.default_rng(seed)
    positives, negatives = random.choice([5, 20, 100], 2).tolist()
    scores = random.normal(random.choice([0.5, 1, 2, 3]), 1, positives), random.normal(0, 1, negatives)
    ranked, other = (np.round(each, random.choice([0, 5])) for each in scores)
    pairs = (ranked[:, None] > other) + 0.5 * (ranked[:, None] == other)
    area = float(pairs.mean())
    error = math.sqrt(pairs.mean(1).var(ddof=1) / positives + pairs.mean(0).var(ddof=1) / negatives)
    lower, upper = max(area - 1.96 * error, 0), min(area + 1.96 * error, 1)
    for decimals in (2, 3, 15):
        if round(lower, decimals) < round(upper, decimals):
            interval = Interval(round(lower, decimals), round(upper, decimals), "reported")
            reported = ReportedMetrics(
                {"roc_auc": round(area, decimals)},
                sample_count=positives + negatives,
                intervals={"roc_auc": interval},
            )

            assert complete(task_types.get("classification"), reported) == []


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        ({"metrics": {"accuracy": 0.95}, "standard_errors": {"accuracy": 1e-9}}, "accuracy"),
        ({"metrics": {"log_loss": 0.95}, "standard_errors": {"log_loss": 1e-9}, "sample_count": 10}, "log_loss"),
        ({"metrics": {"accuracy": 0.95}, "standard_errors": {"accuracy": 0.05}, "sample_count": 20}, None),
        ({"metrics": {"accuracy": 0.95}}, None),
    ],
)
def test_the_verdict_warns_of_intervals_that_could_not_be_checked(
    ed: Caller, model: RegisteredModel, change: dict[str, Any], warned: str | None
) -> None:
    report = send_report(ed, {**GOOD, **change})
    rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9}
    policy = stored_policy({"dataset_split": "test", "rules": [rule]})

    warnings = judge_version(model.versions.get(), policy=policy, compare=None).warnings

    assert [each["code"] for each in report["warnings"]] == (["unchecked_intervals"] if warned else [])
    found = [each for each in warnings if "wide enough could not be checked" in each]
    assert [each.endswith(f": {warned}.") for each in found] == ([True] if warned else [])


def test_a_rule_with_confidence_uses_reported_intervals(ed: Caller, model: RegisteredModel) -> None:
    rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9, "confidence": 0.95}
    policy = stored_policy({"dataset_split": "test", "rules": [rule]})

    def verdict(interval: dict[str, float]) -> str:
        ed.post(SNAPSHOTS, {**GOOD, "confidence_intervals": {"accuracy": interval}})
        return judge_version(model.versions.get(), policy=policy, compare=None).status

    assert verdict({"lower": 0.91, "upper": 0.97}) == "passed"
    assert verdict({"lower": 0.89, "upper": 0.97}) == "failed"
