"""Reported confidence intervals and standard errors."""

import math
from typing import Any

import numpy as np
import pytest

from models_registry.registry.models import RegisteredModel
from performance.gates.policy import stored_policy
from performance.gates.selectors import judge_version
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
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


@pytest.mark.parametrize("examples", [{"sample_count": 100}, {"confusion_matrix": MATRIX}])
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"confidence_intervals": {"accuracy": {"lower": 0.89, "upper": 0.91}}}, "confidence_intervals.accuracy"),
        ({"standard_errors": {"accuracy": 0.005}}, "standard_errors.accuracy"),
    ],
)
def test_an_interval_that_is_too_narrow_for_its_examples_is_refused(
    ed: Caller, examples: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    report = {**GOOD, "metrics": {"accuracy": 0.9}, **change}

    assert faults(ed.post(SNAPSHOTS, {**report, **examples})) == [(field, "contradiction")]
    assert send_report(ed, report)["confidence_intervals"]["accuracy"]["method"].startswith("reported")


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


def test_a_rule_with_confidence_uses_reported_intervals(ed: Caller, model: RegisteredModel) -> None:
    rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9, "confidence": 0.95}
    policy = stored_policy({"dataset_split": "test", "rules": [rule]})

    def verdict(interval: dict[str, float]) -> str:
        ed.post(SNAPSHOTS, {**GOOD, "confidence_intervals": {"accuracy": interval}})
        return judge_version(model.versions.get(), policy=policy, compare=None).status

    assert verdict({"lower": 0.91, "upper": 0.97}) == "passed"
    assert verdict({"lower": 0.89, "upper": 0.97}) == "failed"
