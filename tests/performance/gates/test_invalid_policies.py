"""Invalid policies are refused with the field and the code of each error."""

from typing import Any

import pytest

from models_registry import task_types
from models_registry.task_types.base import TaskType
from performance.gates.policy import parse_policy, validate_for
from performance.gates.policy_document import MAX_RULES
from tests.performance.gates.policy_errors import errors, rule_errors
from tests.performance.gates.rules import ACCURACY_AT_LEAST, ACCURACY_LIMIT


@pytest.mark.parametrize(
    ("document", "field", "code"),
    [
        (None, "", "invalid"),
        ([], "", "invalid"),
        ({}, "rules", "empty"),
        ({"rules": []}, "rules", "empty"),
        ({"rules": {}}, "rules", "empty"),
        ({"rules": [ACCURACY_AT_LEAST] * (MAX_RULES + 1)}, "rules", "max_length"),
        ({"rules": [ACCURACY_AT_LEAST], "dataset_split": "Test"}, "dataset_split", "invalid_choice"),
        ({"rules": [ACCURACY_AT_LEAST], "dataset_split": None}, "dataset_split", "invalid_choice"),
        ({"rules": [ACCURACY_AT_LEAST], "dataset_split": []}, "dataset_split", "invalid_choice"),
        ({"rules": [ACCURACY_AT_LEAST], "name": "x"}, "name", "unknown_field"),
        ({"rules": [1]}, "rules.0", "invalid"),
    ],
)
def test_an_invalid_policy_is_refused(document: Any, field: str, code: str) -> None:
    assert errors(document) == [(field, code)]


@pytest.mark.parametrize(
    ("more", "field", "code"),
    [
        ({"dataset": ""}, "dataset", "invalid"),
        ({"dataset": None}, "dataset", "invalid"),
        ({"dataset": "x" * 101}, "dataset", "invalid"),
        ({"source": "reported"}, "source", "invalid_choice"),
        ({"source": None}, "source", "invalid_choice"),
        ({"same_dataset": 1}, "same_dataset", "invalid"),
        ({"max_age_days": 0}, "max_age_days", "invalid"),
        ({"max_age_days": 1.5}, "max_age_days", "invalid"),
        ({"max_age_days": True}, "max_age_days", "invalid"),
        ({"max_age_days": 10**400}, "max_age_days", "invalid"),
        ({"evaluation": []}, "evaluation", "invalid"),
        ({"evaluation": {"seed": 1}}, "evaluation.seed", "unknown_field"),
        ({"evaluation": {"positive_class": 1}}, "evaluation.positive_class", "invalid"),
        ({"evaluation": {"averaging": "mean"}}, "evaluation.averaging", "invalid_choice"),
        ({"evaluation": {"averaging": []}}, "evaluation.averaging", "invalid_choice"),
        ({"evaluation": {"threshold": "0.5"}}, "evaluation.threshold", "invalid"),
        ({"evaluation": {"k": 10.0}}, "evaluation.k", "invalid"),
        ({"evaluation": {"k": 10}}, "evaluation.k", "unknown"),  # of ranking
        ({"against": "worst"}, "against", "invalid_choice"),
        ({"against": None}, "against", "invalid_choice"),
    ],
)
def test_an_invalid_requirement_is_refused_and_named(more: dict[str, Any], field: str, code: str) -> None:
    assert errors({"rules": [ACCURACY_AT_LEAST], **more}) == [(field, code)]


@pytest.mark.parametrize(
    ("rule", "field", "code"),
    [
        ("accuracy", "rules.1", "invalid"),
        ({**ACCURACY_AT_LEAST, "metric": ""}, "rules.1.metric", "invalid"),
        ({**ACCURACY_AT_LEAST, "metric": "x" * 301}, "rules.1.metric", "invalid"),
        ({**ACCURACY_AT_LEAST, "metric": 1}, "rules.1.metric", "invalid"),
        ({**ACCURACY_AT_LEAST, "operator": "=="}, "rules.1.operator", "invalid_choice"),
        ({**ACCURACY_AT_LEAST, "operator": []}, "rules.1.operator", "invalid_choice"),
        ({"metric": "accuracy", "threshold": 0.5}, "rules.1.operator", "invalid_choice"),
        ({"metric": "accuracy", "operator": ">="}, "rules.1.threshold", "invalid"),
        ({**ACCURACY_AT_LEAST, "threshold": True}, "rules.1.threshold", "invalid"),
        ({**ACCURACY_AT_LEAST, "threshold": "0.9"}, "rules.1.threshold", "invalid"),
        ({**ACCURACY_AT_LEAST, "threshold": float("nan")}, "rules.1.threshold", "invalid"),
        ({**ACCURACY_AT_LEAST, "threshold": 10**400}, "rules.1.threshold", "invalid"),
        ({**ACCURACY_AT_LEAST, "confidence": "high"}, "rules.1.confidence", "invalid"),
        ({**ACCURACY_AT_LEAST, "confidence": None}, "rules.1.confidence", "invalid"),
        ({**ACCURACY_AT_LEAST, "relative": True}, "rules.1.relative", "invalid"),
        ({**ACCURACY_LIMIT, "relative": 1}, "rules.1.relative", "invalid"),
        ({**ACCURACY_LIMIT, "max_regression": None}, "rules.1.max_regression", "invalid"),
        ({**ACCURACY_LIMIT, **ACCURACY_AT_LEAST}, "rules.1", "invalid"),
        ({**ACCURACY_LIMIT, "threshold": 0.9}, "rules.1", "invalid"),
        ({**ACCURACY_AT_LEAST, "treshold": 0.9}, "rules.1.treshold", "unknown_field"),
        ({**ACCURACY_AT_LEAST, "metric": "accuracyy"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "custom."}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "custom.-cost"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "custom.cost in €"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "custom.cost\n"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": f"custom.{'x' * 101}"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "per_class.recall"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "per_class.cat.speed"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "per_class.cat.accuracy"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "per_class.cat.log_loss"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "per_class.cat."}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "per_class."}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "custom"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "metric": "other.cat.recall"}, "rules.1.metric", "unknown"),
        ({**ACCURACY_AT_LEAST, "threshold": 1.01}, "rules.1.threshold", "out_of_bounds"),
        ({**ACCURACY_AT_LEAST, "threshold": -0.1}, "rules.1.threshold", "out_of_bounds"),
        (
            {**ACCURACY_AT_LEAST, "metric": "per_class.cat.recall", "threshold": 93},
            "rules.1.threshold",
            "out_of_bounds",
        ),
        ({**ACCURACY_AT_LEAST, "metric": "sample_count", "threshold": -1}, "rules.1.threshold", "out_of_bounds"),
        ({**ACCURACY_LIMIT, "max_regression": -0.01}, "rules.1.max_regression", "out_of_bounds"),
        (
            {**ACCURACY_LIMIT, "metric": "recall", "max_regression": 5, "relative": True},
            "rules.1.max_regression",
            "out_of_bounds",
        ),
        ({**ACCURACY_LIMIT, "max_regression": 1.01}, "rules.1.max_regression", "out_of_bounds"),
        ({**ACCURACY_LIMIT, "metric": "custom.cost"}, "rules.1.max_regression", "no_direction"),
        ({**ACCURACY_AT_LEAST, "confidence": 0.9}, "rules.1.confidence", "out_of_bounds"),
        ({**ACCURACY_LIMIT, "confidence": 0.99}, "rules.1.confidence", "out_of_bounds"),
        ({**ACCURACY_AT_LEAST, "metric": "sample_count", "confidence": 0.95}, "rules.1.confidence", "no_interval"),
        ({**ACCURACY_AT_LEAST, "metric": "custom.cost", "confidence": 0.95}, "rules.1.confidence", "no_interval"),
        (
            {**ACCURACY_LIMIT, "metric": "per_class.cat.support", "confidence": 0.95},
            "rules.1.confidence",
            "no_interval",
        ),
    ],
)
def test_an_invalid_rule_is_refused_and_named(rule: Any, field: str, code: str) -> None:
    assert rule_errors(rule) == [(field, code)]


@pytest.mark.parametrize(
    ("rule", "field", "code"),
    [
        (ACCURACY_AT_LEAST | {"against": "best"}, "rules.1.against", "invalid"),
        (ACCURACY_LIMIT | {"against": "1"}, "rules.1.against", "invalid_choice"),
        (ACCURACY_AT_LEAST | {"min_sample_count": 50}, "rules.1.min_sample_count", "not_available"),
        (
            ACCURACY_AT_LEAST | {"metric": "slice.a.b.recall", "min_sample_count": 50},
            "rules.1.min_sample_count",
            "not_available",
        ),
        (
            ACCURACY_AT_LEAST | {"metric": "worst_slice.a.recall", "min_sample_count": 0},
            "rules.1.min_sample_count",
            "invalid",
        ),
        (ACCURACY_LIMIT | {"metric": "worst_slice.a.recall", "confidence": 0.95}, "rules.1.confidence", "no_interval"),
        (ACCURACY_AT_LEAST | {"metric": "slice.a.recall"}, "rules.1.metric", "unknown"),
        (ACCURACY_AT_LEAST | {"metric": "slice.a.b.specificity"}, "rules.1.metric", "unknown"),  # not of the summary
        (ACCURACY_AT_LEAST | {"metric": "worst_slice.recall"}, "rules.1.metric", "unknown"),
        (ACCURACY_AT_LEAST | {"metric": "missing_fraction", "threshold": 1.5}, "rules.1.threshold", "out_of_bounds"),
        (ACCURACY_AT_LEAST | {"metric": "train_overlap", "confidence": 0.95}, "rules.1.confidence", "no_interval"),
    ],
)
def test_an_invalid_rule_of_slices_or_baselines_is_refused_and_named(rule: Any, field: str, code: str) -> None:
    assert rule_errors(rule) == [(field, code)]


@pytest.mark.parametrize("task_type", [task_types.get("ranking"), task_types.get("regression")])
@pytest.mark.parametrize("name", ["recall", "support", "rmse", "ndcg"])
def test_task_types_without_classes_have_no_per_class_metrics(task_type: TaskType, name: str) -> None:
    rule = {"metric": f"per_class.cat.{name}", "operator": ">=", "threshold": 0.5}

    assert errors({"rules": [rule]}, task_type) == [("rules.0.metric", "unknown")]


def test_an_organizations_rule_must_be_valid_for_some_task_type() -> None:
    every = task_types.all_task_types()
    rules = [ACCURACY_AT_LEAST, {"metric": "rmse", "operator": "<=", "threshold": 50}]
    validate_for(parse_policy({"rules": rules}), every)

    assert errors({"rules": [ACCURACY_AT_LEAST, {"metric": "speed", "operator": ">", "threshold": 1}]}, *every) == [
        ("rules.1.metric", "unknown")
    ]
    assert errors({"rules": [ACCURACY_AT_LEAST | {"threshold": 1.5}]}, *every) == [
        ("rules.0.threshold", "out_of_bounds")
    ]


@pytest.mark.parametrize(
    "other", [ACCURACY_AT_LEAST, ACCURACY_AT_LEAST | {"threshold": 0.5}, ACCURACY_AT_LEAST | {"operator": ">"}]
)
def test_duplicate_rules_are_refused(other: dict[str, Any]) -> None:
    assert errors({"rules": [ACCURACY_AT_LEAST, ACCURACY_LIMIT, other]}) == [("rules.2", "duplicate")]


def test_a_metric_may_have_one_limit_of_each_kind() -> None:
    assert errors({"rules": [ACCURACY_LIMIT, ACCURACY_LIMIT | {"max_regression": 0.5}]}) == [("rules.1", "duplicate")]


def test_at_most_twenty_policy_errors_are_reported() -> None:
    rules = [{"metric": f"x{number}", "operator": ">=", "threshold": "high"} for number in range(50)]

    assert errors({"rules": rules}) == [(f"rules.{number}.threshold", "invalid") for number in range(20)]
