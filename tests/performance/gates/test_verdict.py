"""What holds for every verdict: its status, its sentence, its warnings and its document."""

import math
from itertools import permutations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models_registry import task_types
from performance.gates.measurement import Measurement
from performance.gates.verdict import Status, judge
from performance.metrics.comparison import MetricValues
from tests.performance.gates.cases import (
    FAILED,
    MISSING,
    NOW,
    PASSED,
    SURE,
    between,
    fractions,
    gate_input,
    judge_rule,
    judge_rules,
)
from tests.performance.gates.rules import ACCURACY_AT_LEAST, ACCURACY_LIMIT

UNKNOWN_PROVENANCE: dict[str, Any] = {
    "source": "computed",
    "sample_count": None,
    "evaluated_at": None,
    "dataset": {"name": None, "version": None, "digest": None},
    "evaluation_options": {},
    "warnings": [],
}


def test_verdict_passes_only_when_every_rule_does() -> None:
    good, bad, none = (
        ACCURACY_AT_LEAST,
        ACCURACY_AT_LEAST | {"metric": "recall"},
        ACCURACY_AT_LEAST | {"metric": "precision"},
    )
    measured = gate_input({"accuracy": 0.95, "recall": 0.5})

    assert judge_rules([good], measured).status is Status.PASSED
    assert judge_rules([good, bad], measured).status is Status.FAILED
    assert judge_rules([good, none], measured).status is Status.FAILED
    assert not judge_rules([good], measured).refuses
    assert judge_rules([bad], measured).refuses


def test_detail_is_a_sentence_with_the_first_reason() -> None:
    bad = ACCURACY_AT_LEAST | {"metric": "recall"}
    measured = gate_input({"accuracy": 0.95, "recall": 0.5})

    assert judge_rules([ACCURACY_AT_LEAST], measured).detail == "ver-00002 passes 1 rule."
    assert judge_rules(
        [ACCURACY_AT_LEAST, ACCURACY_LIMIT], gate_input({"accuracy": 0.95}, promoted=None)
    ).detail.endswith(" 2 rules.")
    text = "ver-00002 fails 1 of 2 rules. recall is 0.5; at least 0.93 is required."
    assert judge_rules([ACCURACY_AT_LEAST, bad], measured).detail == text


def test_verdict_without_a_policy_is_neither_passed_nor_failed() -> None:
    verdict = judge(None, task_types.get("regression"), gate_input(None), judged_at=NOW)

    assert (verdict.status, verdict.rules, verdict.refuses) == (Status.NO_POLICY, (), False)
    assert verdict.detail == "There is no policy for ver-00002."
    assert verdict.as_document()["policy"] is None


def test_verdict_does_not_depend_on_the_order_of_the_rules() -> None:
    rules = [ACCURACY_AT_LEAST, ACCURACY_LIMIT, {"metric": "recall", "operator": ">", "threshold": 0.5}]
    measured = gate_input({"accuracy": 0.95, "recall": 0.4}, {"accuracy": 0.9})

    for ordered in permutations(rules):
        verdict = judge_rules([*ordered], measured)
        assert verdict.status is Status.FAILED
        assert {rule.metric: rule.status for rule in verdict.rules} == {"accuracy": PASSED, "recall": FAILED}


DIRECTIONS = {"accuracy": 1, "log_loss": -1}


@given(
    metric=st.sampled_from(["accuracy", "log_loss"]),
    value=fractions,
    gain=fractions,
    spread=fractions,
    before=fractions,
    limit=fractions,
    sure=st.booleans(),
    relative=st.booleans(),
)
def test_better_metric_never_turns_a_pass_into_a_failure(
    metric: str, value: float, gain: float, spread: float, before: float, limit: float, sure: bool, relative: bool
) -> None:
    better = value + DIRECTIONS[metric] * gain
    assume(0 <= better <= 1)
    more = {"confidence": 0.95} if sure else {}
    operator = ">=" if metric == "accuracy" else "<="
    rules = [
        {"metric": metric, "operator": operator, "threshold": limit, **more},
        {"metric": metric, "max_regression": limit, "relative": relative, **more},
    ]

    def passes(now: float) -> list[bool]:
        ends = {metric: (now - spread, now + spread)}
        apart = {metric: (now - before - spread, now - before + spread)}
        found = judge_rules(rules, gate_input({metric: now}, {metric: before}, intervals=ends, differences=apart))
        return [rule.status is PASSED for rule in found.rules]

    assert all(then or not now for now, then in zip(passes(value), passes(better), strict=True))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rule", [ACCURACY_AT_LEAST, ACCURACY_AT_LEAST | {"operator": "<="}, ACCURACY_LIMIT])
def test_value_that_is_not_finite_is_missing(value: float, rule: dict[str, Any]) -> None:
    found = judge_rule(rule, gate_input({"accuracy": value}, {"accuracy": 0.9}))

    assert (found.status, found.value) == (MISSING, None)
    assert found.detail == "ver-00002 has no accuracy for the split test."


def test_every_value_of_a_version_without_snapshot_is_missing() -> None:
    verdict = judge_rules([ACCURACY_AT_LEAST, ACCURACY_LIMIT], gate_input(None, {"accuracy": 0.9}))

    assert verdict.status is Status.FAILED
    assert {rule.status for rule in verdict.rules} == {MISSING}
    assert verdict.rules[0].detail == "ver-00002 has no metrics for the split test."


def test_metric_of_another_task_type_is_missing() -> None:
    rules = [{"metric": "rmse", "operator": "<=", "threshold": 5}, {"metric": "rmse", "max_regression": 5}]

    verdict = judge_rules(rules, gate_input({"accuracy": 1.0}, {"accuracy": 1.0}))

    assert [(rule.status, rule.threshold) for rule in verdict.rules] == [(MISSING, 5), (MISSING, None)]


def test_missing_value_or_interval_is_reported_with_its_reason() -> None:
    reasons = {"roc_auc": "There is only one class.", "accuracy": "Too few groups."}
    measured = Measurement("ver-00002", MetricValues({"accuracy": 0.95}, {}, {}, reasons))

    rules = judge_rules([SURE, ACCURACY_AT_LEAST | {"metric": "roc_auc"}], between(measured)).rules

    assert rules[0].detail.endswith("without the 95% interval that is required. Too few groups.")
    assert rules[1].detail == "ver-00002 has no roc_auc for the split test. There is only one class."


@pytest.mark.parametrize(
    ("metric", "task_type", "operator", "threshold", "warns"),
    [
        ("accuracy", "classification", "<=", 0.9, True),
        ("accuracy", "classification", "<", 0.9, True),
        ("accuracy", "classification", ">", 0.9, False),
        ("log_loss", "classification", ">=", 0.9, True),
        ("log_loss", "classification", "<", 0.9, False),
        ("sample_count", "classification", "<", 10, True),
        ("custom.cost", "classification", "<", 10, False),
        ("bias", "regression", "<=", 0.5, False),
        ("bias", "regression", ">=", -0.5, False),
        ("bias", "regression", ">=", 0.5, True),
        ("bias", "regression", "<=", -0.5, True),
        ("bias", "regression", "<=", 0, False),
        ("bias", "regression", ">=", 0, False),
    ],
)
def test_operator_that_contradicts_the_direction_is_warned_of(
    metric: str, task_type: str, operator: str, threshold: float, warns: bool
) -> None:
    rule = {"metric": metric, "operator": operator, "threshold": threshold}

    warnings = judge_rules([rule], gate_input({metric: threshold}), task_type).warnings

    assert len(warnings) == int(warns)
    assert all(text.startswith(f"{metric} {operator} {threshold} lets worse values pass: ") for text in warnings)


def test_limit_on_regression_has_no_warning() -> None:
    assert judge_rules([ACCURACY_LIMIT], gate_input({"accuracy": 0.5})).warnings == ()


def test_document_has_the_form_of_the_contract() -> None:
    measured = gate_input({"accuracy": 0.91}, {"accuracy": 0.92}, intervals={"accuracy": (0.9, 0.92)})

    document = judge_rules([SURE, ACCURACY_LIMIT | {"max_regression": 0.02}], measured).as_document()

    assert list(document) == [
        "model_id",
        "version_id",
        "baseline_version_id",
        "status",
        "rules",
        "judged_at",
        "warnings",
        "policy",
        "candidate",
        "baselines",
    ]
    text = "accuracy is 0.91, and the lower end of its 95% interval 0.9; at least 0.93 is required."
    assert document["rules"][0] == {
        "metric": "accuracy",
        "operator": ">=",
        "threshold": 0.93,
        "value": 0.91,
        "interval": {"lower": 0.9, "upper": 0.92, "method": "a test", "level": 0.95},
        "baseline_value": None,
        "status": "failed",
        "detail": text,
        "baseline_version_id": None,
        "same_dataset": None,
        "needed_sample_count": None,
    }
    assert list(document["rules"][0]) == list(document["rules"][1])
    assert document["rules"][1]["operator"] == ">="
    assert document | {"rules": []} == {
        "rules": [],
        "model_id": "mdl-7f3a19bc92",
        "version_id": "ver-00002",
        "baseline_version_id": "ver-00001",
        "status": "failed",
        "judged_at": "2026-03-13T14:22:10Z",
        "warnings": [],
        "policy": {"owner": "model", "version": 3},
        "candidate": UNKNOWN_PROVENANCE | {"version_id": "ver-00002"},
        "baselines": [UNKNOWN_PROVENANCE | {"version_id": "ver-00001"}],
    }


def test_limit_without_a_baseline_has_no_operator() -> None:
    [rule] = judge_rules([ACCURACY_LIMIT], gate_input({"accuracy": 0.9}, {})).as_document()["rules"]

    assert (rule["operator"], rule["threshold"], rule["status"]) == (None, None, "missing")
