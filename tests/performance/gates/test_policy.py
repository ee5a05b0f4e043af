"""Parsing policies from JSON, and which rules and requirements they may have."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry import task_types
from performance.gates.gate_metrics import find_gate_metric, named_values
from performance.gates.policy import InvalidPolicyError, parse_policy, validate_for
from performance.gates.requirements import Requirements
from tests.performance.gates.policy_errors import CLASSIFICATION
from tests.performance.gates.rules import ACCURACY_AT_LEAST, ACCURACY_LIMIT

CONTRACT = {
    "dataset_split": "test",
    "rules": [
        {"metric": "accuracy", "operator": ">=", "threshold": 0.93},
        {"metric": "roc_auc", "operator": ">=", "threshold": 0.95, "confidence": 0.95},
        {"metric": "log_loss", "max_regression": 0.01, "relative": False},
        {"metric": "sample_count", "operator": ">=", "threshold": 1000},
    ],
}
CONTRACT_IN_FULL = {
    "dataset_split": "test",
    "dataset": "churn-2026-10",
    "source": "computed",
    "same_dataset": True,
    "max_age_days": 30,
    "evaluation": {"positive_class": "1", "averaging": "binary", "threshold": 0.5},
    "against": "ver-00001",
    "rules": [
        {"metric": "roc_auc", "operator": ">=", "threshold": 0.95, "confidence": 0.95},
        {"metric": "recall", "max_regression": 0.01, "relative": False, "confidence": 0.95, "against": "best"},
        {
            "metric": "worst_slice.country.recall",
            "operator": ">=",
            "threshold": 0.8,
            "confidence": 0.95,
            "min_sample_count": 50,
        },
        {"metric": "slice.country.St. Gallen.recall", "max_regression": 0.1, "relative": False, "confidence": 0.95},
        {"metric": "missing_fraction", "operator": "<=", "threshold": 0.01},
        {"metric": "train_overlap", "operator": "<=", "threshold": 0.0},
        {"metric": "effective_sample_size", "operator": ">=", "threshold": 100.0},
    ],
}


def test_the_contracts_policy_round_trips() -> None:
    policy = parse_policy(CONTRACT)
    validate_for(policy, [CLASSIFICATION])

    assert policy.as_document() == CONTRACT


def test_a_policy_with_every_field_round_trips() -> None:
    policy = parse_policy(CONTRACT_IN_FULL)
    validate_for(policy, [CLASSIFICATION])

    assert policy.as_document() == CONTRACT_IN_FULL
    assert asdict(parse_policy(policy.as_document())) == asdict(policy)


def test_the_split_is_test_unless_it_is_given() -> None:
    assert parse_policy({"rules": [ACCURACY_AT_LEAST]}).dataset_split == "test"
    assert parse_policy({"rules": [ACCURACY_AT_LEAST], "dataset_split": "train"}).dataset_split == "train"


def test_fields_that_are_left_out_require_nothing() -> None:
    policy = parse_policy(CONTRACT)

    assert (policy.dataset, policy.against, policy.requirements) == ("", "promoted", Requirements())


@pytest.mark.parametrize("metric", ["precision", "recall", "f1_score", "roc_auc"])
def test_a_rule_on_a_class_may_require_confidence(metric: str) -> None:
    validate_for(
        parse_policy(
            {"rules": [{**ACCURACY_AT_LEAST, "metric": f"per_class.St. Gallen.{metric}", "confidence": 0.95}]}
        ),
        [CLASSIFICATION],
    )


@pytest.mark.parametrize(
    "more",
    [
        {"metric": "log_loss", "operator": "<=", "threshold": 3.5},
        {"metric": "specificity", "operator": ">", "threshold": 0},
        {"metric": "custom.cost.of/errors @1", "operator": "<", "threshold": -2.5},
        {"metric": "per_class..recall", "operator": ">=", "threshold": 1},
        {"metric": "per_class.St. Gallen.recall", "operator": ">=", "threshold": 0.5},
        {"metric": "per_class.cat.support", "operator": ">=", "threshold": 30},
        {"metric": "per_class.cat.recall", "max_regression": 0},
        {"metric": "log_loss", "max_regression": 1000},
        {"metric": "accuracy", "max_regression": 1},
        {"metric": "accuracy", "max_regression": 0.5, "relative": True},
        {"metric": "accuracy", "max_regression": 0.1, "confidence": 0.95},
    ],
)
def test_a_rule_may_use_every_number_of_a_snapshot(more: dict[str, Any]) -> None:
    policy = parse_policy({"rules": [more]})
    validate_for(policy, [CLASSIFICATION])

    assert asdict(parse_policy(policy.as_document())) == asdict(policy)
    assert policy.rules[0].metric == more["metric"]


def test_minus_zero_is_zero() -> None:
    policy = parse_policy(
        {"rules": [ACCURACY_AT_LEAST | {"threshold": -0.0}, ACCURACY_LIMIT | {"max_regression": -0.0}]}
    )

    assert "-0.0" not in str(policy.as_document())


def test_different_rules_on_one_metric_are_allowed() -> None:
    rules = [
        ACCURACY_AT_LEAST,
        ACCURACY_AT_LEAST | {"confidence": 0.95},
        ACCURACY_AT_LEAST | {"operator": "<="},
        ACCURACY_LIMIT,
        ACCURACY_LIMIT | {"relative": True},
    ]

    assert len(parse_policy({"rules": rules}).rules) == 5


def test_an_organization_may_pin_options_of_different_task_types() -> None:
    policy = parse_policy({"rules": [ACCURACY_AT_LEAST], "evaluation": {"averaging": "binary", "k": 10}})

    validate_for(policy, task_types.all_task_types())


def test_the_numbers_of_a_snapshot_have_the_names_that_rules_use() -> None:
    values = named_values(
        {"accuracy": 0.9},
        quantities={"sample_count": 7, "missing_fraction": 0.5, "train_overlap": None},
        custom={"cost": 2.0},
        per_class={"a.b": {"recall": 0.5, "support": 3.0}},
    )

    assert values == {
        "accuracy": 0.9,
        "custom.cost": 2.0,
        "per_class.a.b.recall": 0.5,
        "per_class.a.b.support": 3.0,
        "sample_count": 7,
        "missing_fraction": 0.5,
    }
    assert all(find_gate_metric(name, CLASSIFICATION) for name in values)


def test_a_custom_metric_does_not_shadow_one_of_the_task_type() -> None:
    assert named_values({"accuracy": 0.1}, quantities={}, custom={"accuracy": 0.9}, per_class={})["accuracy"] == 0.1


numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1)
metrics = st.sampled_from([metric.name for metric in CLASSIFICATION.metrics if metric.upper == 1])
confidence = st.sampled_from([{}, {"confidence": 0.95}])


def can_pass(rule: dict[str, Any]) -> bool:
    """Return whether a value, or with confidence the end of an interval, can be within the bound."""
    last = 1 if rule["operator"] in {">=", ">"} else 0
    return rule["threshold"] != last or (rule["operator"] in {">=", "<="} and "confidence" not in rule)


thresholds = st.builds(
    lambda metric, operator, threshold, more: {"metric": metric, "operator": operator, "threshold": threshold, **more},
    metrics,
    st.sampled_from([">=", ">", "<=", "<"]),
    numbers,
    confidence,
).filter(can_pass)

limits = st.builds(
    lambda metric, limit, relative, more: {"metric": metric, "max_regression": limit, "relative": relative, **more},
    metrics,
    numbers,
    st.booleans(),
    confidence,
)


@given(st.lists(thresholds | limits, min_size=1, max_size=5, unique_by=lambda rule: rule["metric"]))
def test_any_valid_policy_round_trips(rules: list[dict[str, Any]]) -> None:
    policy = parse_policy({"rules": rules})
    validate_for(policy, [CLASSIFICATION])

    assert policy.as_document() == {"dataset_split": "test", "rules": rules}
    assert asdict(parse_policy(policy.as_document())) == asdict(policy)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)
odd_rules = st.dictionaries(
    st.sampled_from(
        [
            *("metric", "operator", "threshold", "max_regression", "relative", "confidence", "x"),
            *("against", "min_sample_count"),
        ]
    ),
    json_values | st.sampled_from(["accuracy", ">=", 0.5]),
)
odd_policies = st.builds(
    lambda more, rules: {**more, "rules": rules},
    st.dictionaries(
        st.sampled_from(["dataset", "source", "same_dataset", "max_age_days", "evaluation", "against"]),
        json_values | st.dictionaries(st.sampled_from(["threshold", "k", "averaging"]), json_values, max_size=3),
        max_size=4,
    ),
    st.lists(odd_rules, max_size=4) | json_values,
)


@given(json_values | odd_policies)
def test_any_json_is_parsed_or_refused_as_a_policy(document: Any) -> None:
    with suppress(InvalidPolicyError):
        validate_for(parse_policy(document), [CLASSIFICATION])
