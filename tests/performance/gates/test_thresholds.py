"""Rules with a threshold, with and without confidence."""

import math

import pytest

from performance.gates.gate_input import RuleStatus
from performance.gates.measurement import Measurement
from performance.metrics.comparison import MetricValues
from performance.metrics.statistics.intervals import Interval
from tests.performance.gates.cases import FAILED, MISSING, PASSED, SURE, between, gate_input, judge_rule
from tests.performance.gates.rules import ACCURACY_AT_LEAST


@pytest.mark.parametrize(
    ("operator", "value", "status"),
    [
        (">=", 0.93, PASSED),
        (">=", math.nextafter(0.93, 0), FAILED),
        (">", 0.93, FAILED),
        (">", math.nextafter(0.93, 1), PASSED),
        ("<=", 0.93, PASSED),
        ("<=", math.nextafter(0.93, 1), FAILED),
        ("<", 0.93, FAILED),
        ("<", math.nextafter(0.93, 0), PASSED),
    ],
)
def test_operator_says_whether_the_bound_itself_passes(operator: str, value: float, status: RuleStatus) -> None:
    assert judge_rule(ACCURACY_AT_LEAST | {"operator": operator}, gate_input({"accuracy": value})).status is status


def test_failure_is_reported_with_value_and_threshold() -> None:
    rule = judge_rule(ACCURACY_AT_LEAST, gate_input({"accuracy": 0.91}))

    assert (rule.metric, rule.operator, rule.threshold, rule.value) == ("accuracy", ">=", 0.93, 0.91)
    assert (rule.interval, rule.baseline_value) == (None, None)
    assert rule.detail == "accuracy is 0.91; at least 0.93 is required."


@pytest.mark.parametrize(
    ("operator", "words"), [(">", "more than"), ("<=", "at most"), ("<", "less than"), (">=", "at least")]
)
def test_operator_is_reported_in_words(operator: str, words: str) -> None:
    rule = {"metric": "sample_count", "operator": operator, "threshold": 1000}

    assert (
        judge_rule(rule, gate_input({"sample_count": 990})).detail == f"sample_count is 990; {words} 1000 is required."
    )


@pytest.mark.parametrize("name", ["custom.cost", "per_class.a cat.recall", "specificity", "sample_count"])
def test_threshold_may_be_on_any_number_of_a_snapshot(name: str) -> None:
    rule = {"metric": name, "operator": ">", "threshold": 0.5}

    assert judge_rule(rule, gate_input({name: 0.75})).status is PASSED
    assert judge_rule(rule, gate_input({name: 0.25})).status is FAILED
    assert judge_rule(rule, gate_input({"accuracy": 0.75})).status is MISSING


@pytest.mark.parametrize(
    ("operator", "ends", "status"),
    [
        (">=", (0.93, 0.99), PASSED),
        (">=", (0.92, 0.99), FAILED),
        (">", (0.93, 0.99), FAILED),
        ("<=", (0.80, 0.93), PASSED),
        ("<=", (0.80, 0.94), FAILED),
        ("<", (0.80, 0.93), FAILED),
    ],
)
def test_unfavourable_end_of_the_interval_must_be_within_the_bound(
    operator: str, ends: tuple[float, float], status: RuleStatus
) -> None:
    rule = judge_rule(SURE | {"operator": operator}, gate_input({"accuracy": 0.93}, intervals={"accuracy": ends}))

    assert rule.status is status
    assert rule.interval == Interval(*ends, "a test")


def test_value_and_end_of_the_interval_are_reported() -> None:
    low = judge_rule(SURE, gate_input({"accuracy": 0.95}, intervals={"accuracy": (0.92, 0.97)}))
    high = judge_rule(SURE | {"operator": "<"}, gate_input({"accuracy": 0.95}, intervals={"accuracy": (0.92, 0.97)}))

    text = "accuracy is 0.95, and the {} end of its 95% interval {}; {} 0.93 is required."
    assert low.detail == text.format("lower", 0.92, "at least")
    assert high.detail == text.format("upper", 0.97, "less than")


@pytest.mark.parametrize("ends", [None, (math.nan, 0.99), (0.95, math.inf), (-math.inf, 0.99)])
def test_threshold_without_a_finite_interval_is_missing(ends: tuple[float, float] | None) -> None:
    rule = judge_rule(SURE, gate_input({"accuracy": 0.99}, intervals={} if ends is None else {"accuracy": ends}))

    assert (rule.status, rule.interval, rule.value) == (MISSING, None, 0.99)
    assert rule.detail == "accuracy is 0.99, without the 95% interval that is required."


def test_interval_of_another_level_does_not_count() -> None:
    wide = {"accuracy": Interval(0.95, 0.99, "a test", level=0.5)}

    assert judge_rule(SURE, between(Measurement("ver-00002", MetricValues({"accuracy": 0.97}, wide)))).status is MISSING
