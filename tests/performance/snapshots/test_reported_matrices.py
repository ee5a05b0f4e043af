"""Reported confusion matrices: the metrics that follow from them, and contradictions."""

from typing import Any

import pytest

from tests.api import Caller, faults
from tests.performance.snapshots.reports import GOOD, SNAPSHOTS, WITH_MATRIX, send_report

pytestmark = pytest.mark.django_db


def test_metrics_that_follow_from_a_matrix_are_added(ed: Caller) -> None:
    body = send_report(ed, WITH_MATRIX)

    metrics = body["metrics"]
    assert metrics["recall"] == 0.6
    assert metrics["precision"] == pytest.approx(60 / 84)
    assert metrics["specificity"] == pytest.approx(876 / 900)
    assert metrics["balanced_accuracy"] == pytest.approx((0.6 + 876 / 900) / 2)
    of_matrix = {name for name, value in metrics.items() if value is not None}
    assert of_matrix <= body["confidence_intervals"].keys()
    assert (body["positive_class"], body["averaging"]) == ("yes", "binary")
    assert body["per_class"]["no"] == pytest.approx(
        {"precision": 876 / 916, "recall": 876 / 900, "f1_score": 2 * 876 / 1816, "support": 900}
    )


def test_a_contradiction_of_the_matrix_is_refused_with_both_numbers(ed: Caller) -> None:
    answer = ed.post(SNAPSHOTS, {**WITH_MATRIX, "metrics": {"accuracy": 0.5}})

    assert faults(answer) == [("metrics.accuracy", "contradiction")]
    detail = answer.json()["errors"][0]["detail"]
    assert "0.5" in detail
    assert "0.936" in detail


@pytest.mark.parametrize("accuracy", [0.936, 0.94, 0.9360000001])
def test_a_rounded_value_is_no_contradiction(ed: Caller, accuracy: float) -> None:
    assert send_report(ed, {**WITH_MATRIX, "metrics": {"accuracy": accuracy}})["metrics"]["accuracy"] == accuracy


@pytest.mark.parametrize("accuracy", [1, 0.9, 0.93, 0.935, 0.937, 0.9361])
def test_a_value_that_is_not_a_rounded_one_is_a_contradiction(ed: Caller, accuracy: float) -> None:
    answer = ed.post(SNAPSHOTS, {**WITH_MATRIX, "metrics": {"accuracy": accuracy}})

    assert faults(answer) == [("metrics.accuracy", "contradiction")]


@pytest.mark.parametrize(
    ("metrics", "averaging", "positive"),
    [
        ({"recall": 0.6}, "binary", "yes"),
        ({"recall": 0.973}, "binary", "no"),
        ({"recall": 0.787}, "macro", None),
        ({"recall": 0.936, "specificity": 0.936}, "micro", None),
    ],
)
def test_the_averaging_is_the_one_that_agrees_with_the_metrics(
    ed: Caller, metrics: dict[str, float], averaging: str, positive: str | None
) -> None:
    body = send_report(ed, {**WITH_MATRIX, "metrics": metrics})

    options = {"averaging": averaging} | ({"positive_class": positive} if positive else {})
    assert body["evaluation_options"] == options


def test_a_value_that_agrees_with_no_averaging_is_refused(ed: Caller) -> None:
    answer = ed.post(SNAPSHOTS, {**WITH_MATRIX, "metrics": {"recall": 0.99}})

    assert faults(answer) == [("metrics.recall", "contradiction")]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"evaluation_options": {"positive_class": "maybe"}}, "evaluation_options.positive_class"),
        ({"metrics": {"recall": 0.6}, "evaluation_options": {"averaging": "macro"}}, "metrics.recall"),
        ({"metrics": {"recall": 0.6}, "evaluation_options": {"positive_class": "no"}}, "metrics.recall"),
        ({"per_class": {"yes": {"recall": 0.9}}}, "per_class.yes.recall"),
        ({"per_class": {"maybe": {"recall": 0.9}}}, "per_class.maybe"),
        ({"per_class": {"yes": {"support": 99}}}, "per_class.yes.support"),
    ],
)
def test_options_and_classes_must_agree_with_the_matrix(ed: Caller, change: dict[str, Any], field: str) -> None:
    answer = ed.post(SNAPSHOTS, {**WITH_MATRIX, **change})

    assert faults(answer) == [(field, "contradiction")]


def test_binary_averaging_needs_two_classes(ed: Caller) -> None:
    matrix = {"labels": ["a", "b", "c"], "counts": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
    body = {**GOOD, "metrics": {"accuracy": 1}, "confusion_matrix": matrix}

    answer = ed.post(SNAPSHOTS, {**body, "evaluation_options": {"averaging": "binary"}})

    assert faults(answer) == [("evaluation_options.averaging", "contradiction")]
    assert send_report(ed, body)["averaging"] == "weighted"
