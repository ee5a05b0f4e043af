"""Parsing policies from JSON, and their errors."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry import task_types
from models_registry.task_types.base import TaskType
from performance.gates.gate_metrics import find_gate_metric, named_values
from performance.gates.policy import InvalidPolicyError, parse_policy, validate_for
from performance.gates.policy_document import MAX_RULES
from performance.gates.requirements import Requirements

CONTRACT = {
    "dataset_split": "test",
    "rules": [
        {"metric": "accuracy", "operator": ">=", "threshold": 0.93},
        {"metric": "roc_auc", "operator": ">=", "threshold": 0.95, "confidence": 0.95},
        {"metric": "log_loss", "max_regression": 0.01, "relative": False},
        {"metric": "sample_count", "operator": ">=", "threshold": 1000},
    ],
}
CLASSIFICATION = task_types.get("classification")
GOOD = {"metric": "accuracy", "operator": ">=", "threshold": 0.93}
LIMIT = {"metric": "accuracy", "max_regression": 0.01}
FIELDS = "dataset_split, dataset, source, same_dataset, max_age_days, evaluation, against, rules"
OTHERS = (
    "sample_count, effective_sample_size, missing_fraction, train_overlap, custom.NAME, slice.ATTRIBUTE.VALUE.METRIC, "
)


def errors(document: Any, *types: TaskType) -> list[tuple[str, str]]:
    """Return the field and code of each error."""
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(parse_policy(document), types or (CLASSIFICATION,))
    assert all(detail and detail in str(refused.value) for _, _, detail in refused.value.errors)
    return [(field, code) for field, code, _ in refused.value.errors]


def rule_errors_for(rule: Any, *types: TaskType) -> list[tuple[str, str]]:
    return errors({"rules": [GOOD | {"metric": "recall"}, rule]}, *types)


def test_the_contracts_policy_round_trips() -> None:
    policy = parse_policy(CONTRACT)
    validate_for(policy, [CLASSIFICATION])

    assert policy.as_document() == CONTRACT


def test_the_split_is_test_unless_it_is_given() -> None:
    assert parse_policy({"rules": [GOOD]}).dataset_split == "test"
    assert parse_policy({"rules": [GOOD], "dataset_split": "train"}).dataset_split == "train"


@pytest.mark.parametrize(
    ("document", "field", "code"),
    [
        (None, "", "invalid"),
        ([], "", "invalid"),
        ({}, "rules", "empty"),
        ({"rules": []}, "rules", "empty"),
        ({"rules": {}}, "rules", "empty"),
        ({"rules": [GOOD] * (MAX_RULES + 1)}, "rules", "max_length"),
        ({"rules": [GOOD], "dataset_split": "Test"}, "dataset_split", "invalid_choice"),
        ({"rules": [GOOD], "dataset_split": None}, "dataset_split", "invalid_choice"),
        ({"rules": [GOOD], "dataset_split": []}, "dataset_split", "invalid_choice"),
        ({"rules": [GOOD], "name": "x"}, "name", "unknown_field"),
        ({"rules": [1]}, "rules.0", "invalid"),
    ],
)
def test_an_invalid_policy_is_refused(document: Any, field: str, code: str) -> None:
    assert errors(document) == [(field, code)]


@pytest.mark.parametrize(
    ("rule", "field", "code"),
    [
        ("accuracy", "rules.1", "invalid"),
        ({**GOOD, "metric": ""}, "rules.1.metric", "invalid"),
        ({**GOOD, "metric": "x" * 301}, "rules.1.metric", "invalid"),
        ({**GOOD, "metric": 1}, "rules.1.metric", "invalid"),
        ({**GOOD, "operator": "=="}, "rules.1.operator", "invalid_choice"),
        ({**GOOD, "operator": []}, "rules.1.operator", "invalid_choice"),
        ({"metric": "accuracy", "threshold": 0.5}, "rules.1.operator", "invalid_choice"),
        ({"metric": "accuracy", "operator": ">="}, "rules.1.threshold", "invalid"),
        ({**GOOD, "threshold": True}, "rules.1.threshold", "invalid"),
        ({**GOOD, "threshold": "0.9"}, "rules.1.threshold", "invalid"),
        ({**GOOD, "threshold": float("nan")}, "rules.1.threshold", "invalid"),
        ({**GOOD, "threshold": 10**400}, "rules.1.threshold", "invalid"),
        ({**GOOD, "confidence": "high"}, "rules.1.confidence", "invalid"),
        ({**GOOD, "confidence": None}, "rules.1.confidence", "invalid"),
        ({**GOOD, "relative": True}, "rules.1.relative", "invalid"),
        ({**LIMIT, "relative": 1}, "rules.1.relative", "invalid"),
        ({**LIMIT, "max_regression": None}, "rules.1.max_regression", "invalid"),
        ({**LIMIT, **GOOD}, "rules.1", "invalid"),
        ({**LIMIT, "threshold": 0.9}, "rules.1", "invalid"),
        ({**GOOD, "treshold": 0.9}, "rules.1.treshold", "unknown_field"),
        ({**GOOD, "metric": "accuracyy"}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "custom."}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "custom.-cost"}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "custom.cost in €"}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "custom.cost\n"}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": f"custom.{'x' * 101}"}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "per_class.recall"}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "per_class.cat.speed"}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "per_class.cat.accuracy"}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "per_class.cat.log_loss"}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "per_class.cat."}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "per_class."}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "custom"}, "rules.1.metric", "unknown"),
        ({**GOOD, "metric": "other.cat.recall"}, "rules.1.metric", "unknown"),
        ({**GOOD, "threshold": 1.01}, "rules.1.threshold", "out_of_bounds"),
        ({**GOOD, "threshold": -0.1}, "rules.1.threshold", "out_of_bounds"),
        ({**GOOD, "metric": "per_class.cat.recall", "threshold": 93}, "rules.1.threshold", "out_of_bounds"),
        ({**GOOD, "metric": "sample_count", "threshold": -1}, "rules.1.threshold", "out_of_bounds"),
        ({**LIMIT, "max_regression": -0.01}, "rules.1.max_regression", "out_of_bounds"),
        (
            {**LIMIT, "metric": "recall", "max_regression": 5, "relative": True},
            "rules.1.max_regression",
            "out_of_bounds",
        ),
        ({**LIMIT, "max_regression": 1.01}, "rules.1.max_regression", "out_of_bounds"),
        ({**LIMIT, "metric": "custom.cost"}, "rules.1.max_regression", "no_direction"),
        ({**GOOD, "confidence": 0.9}, "rules.1.confidence", "out_of_bounds"),
        ({**LIMIT, "confidence": 0.99}, "rules.1.confidence", "out_of_bounds"),
        ({**GOOD, "metric": "sample_count", "confidence": 0.95}, "rules.1.confidence", "no_interval"),
        ({**GOOD, "metric": "custom.cost", "confidence": 0.95}, "rules.1.confidence", "no_interval"),
        ({**LIMIT, "metric": "per_class.cat.support", "confidence": 0.95}, "rules.1.confidence", "no_interval"),
    ],
)
def test_an_invalid_rule_is_refused_and_named(rule: Any, field: str, code: str) -> None:
    assert rule_errors_for(rule) == [(field, code)]


@pytest.mark.parametrize("metric", ["precision", "recall", "f1_score", "roc_auc"])
def test_a_rule_on_a_class_may_require_confidence(metric: str) -> None:
    validate_for(
        parse_policy({"rules": [{**GOOD, "metric": f"per_class.St. Gallen.{metric}", "confidence": 0.95}]}),
        [CLASSIFICATION],
    )


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "Must be an object with `rules`."),
        ({"rules": []}, "rules: Must be a list of at least one rule."),
        ({"rules": [GOOD] * 101}, "rules: Must have at most 100 rules."),
        (
            {"rules": [GOOD], "dataset_split": "x"},
            "dataset_split: Must be one of train, validation, test, in lower case.",
        ),
        ({"rules": [GOOD], "x" * 50: 1}, f"{'x' * 40}: Unknown field; use {FIELDS}."),
        ({"rules": [1]}, "rules.0: Must be an object."),
        ({"rules": [GOOD, GOOD]}, "rules.1: Repeats rule 0 for accuracy: keep one of the two."),
    ],
)
def test_a_policy_error_says_what_is_wrong(document: Any, text: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        parse_policy(document)

    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({**GOOD, "metric": ""}, "metric: Must be the name of a metric: 1 to 300 characters."),
        ({**GOOD, "operator": "="}, "operator: Must be one of >=, >, <=, <; or give `max_regression`."),
        ({**GOOD, "threshold": "x"}, "threshold: Must be a finite number."),
        ({**LIMIT, "max_regression": "x"}, "max_regression: Must be a finite number."),
        ({**GOOD, "confidence": "x"}, "confidence: Must be a finite number."),
        ({**LIMIT, "relative": 1}, "relative: Must be true or false, beside `max_regression`."),
        (
            {**GOOD, "x": 1},
            "x: Unknown field; use metric, operator, threshold, max_regression, relative, confidence, against, "
            "min_sample_count.",
        ),
        ({**GOOD, "threshold": 2}, "threshold: Must be at most 1, not 2.0."),
        ({**LIMIT, "max_regression": -1}, "max_regression: Must be 0 or more, not -1."),
        ({**LIMIT, "max_regression": 1.5}, "max_regression: accuracy cannot get worse by more than 1."),
        (
            {**LIMIT, "metric": "matthews_correlation", "max_regression": 2.5},
            "max_regression: matthews_correlation cannot get worse by more than 2.",
        ),
        (
            {**LIMIT, "metric": "custom.x"},
            "max_regression: The direction of a custom metric is unknown. Use `operator` and `threshold`.",
        ),
        ({**GOOD, "confidence": 0.9}, "confidence: Must be 0.95: the level of the stored intervals."),
        (
            {**GOOD, "metric": "sample_count", "confidence": 0.95},
            "confidence: sample_count has no confidence interval.",
        ),
    ],
)
def test_a_rule_error_says_what_is_wrong(rule: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(parse_policy({"rules": [rule]}), [CLASSIFICATION])

    assert str(refused.value) == f"rules.0.{text}"


def test_an_unknown_metric_error_lists_the_known_metrics() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(parse_policy({"rules": [GOOD | {"metric": "x" * 50}]}), [task_types.get("ranking")])

    assert str(refused.value) == (
        f"rules.0.metric: There is no '{'x' * 40}' of ranking; use "
        f"{', '.join(metric.name for metric in task_types.get('ranking').all_metrics)}, {OTHERS}"
        "or worst_slice.ATTRIBUTE.METRIC."
    )


def test_an_unknown_metric_error_mentions_per_class_metrics() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(parse_policy({"rules": [GOOD | {"metric": "speed"}]}), [task_types.get("forecasting")])

    assert str(refused.value) == (
        f"rules.0.metric: There is no 'speed' of forecasting; use mae, rmse, smape, mase, wape, {OTHERS}"
        "worst_slice.ATTRIBUTE.METRIC, or per_class.LABEL.METRIC."
    )


def test_an_invalid_custom_name_error_says_what_is_allowed() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(parse_policy({"rules": [GOOD | {"metric": "custom.-cost"}]}), [CLASSIFICATION])

    assert str(refused.value) == (
        "rules.0.metric: There is no 'custom.-cost' of classification; use custom.NAME, where NAME is 1 to 100 "
        "letters, digits, spaces and any of _ . / @ -, and begins with none of the last."
    )


def test_an_unknown_per_class_metric_error_lists_the_known_ones() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(parse_policy({"rules": [GOOD | {"metric": "per_class.cat.log_loss"}]}), [CLASSIFICATION])

    assert str(refused.value) == (
        "rules.0.metric: There is no 'per_class.cat.log_loss' of classification; use per_class.LABEL.METRIC, where "
        "METRIC is one of precision, recall, f1_score, roc_auc, support."
    )


@pytest.mark.parametrize("task_type", [task_types.get("ranking"), task_types.get("regression")])
@pytest.mark.parametrize("name", ["recall", "support", "rmse", "ndcg"])
def test_task_types_without_classes_have_no_per_class_metrics(task_type: TaskType, name: str) -> None:
    rule = {"metric": f"per_class.cat.{name}", "operator": ">=", "threshold": 0.5}

    assert errors({"rules": [rule]}, task_type) == [("rules.0.metric", "unknown")]


def test_a_rule_needs_either_a_threshold_or_a_limit() -> None:
    text = "Must have either `operator` and `threshold`, or `max_regression`."
    for more in ({"operator": ">="}, {"threshold": 0.5}):
        with pytest.raises(InvalidPolicyError) as refused:
            parse_policy({"rules": [LIMIT | more]})
        assert refused.value.errors == [("rules.0", "invalid", text)]


def test_several_policy_errors_are_reported_together() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        parse_policy({"rules": [1], "dataset_split": "x"})

    assert [field for field, _, _ in refused.value.errors] == ["dataset_split", "rules.0"]
    assert str(refused.value) == "; ".join(f"{field}: {detail}" for field, _, detail in refused.value.errors)


def test_minus_zero_is_zero() -> None:
    policy = parse_policy({"rules": [GOOD | {"threshold": -0.0}, LIMIT | {"max_regression": -0.0}]})

    assert "-0.0" not in str(policy.as_document())


def test_at_most_twenty_policy_errors_are_reported() -> None:
    rules = [{"metric": f"x{number}", "operator": ">=", "threshold": "high"} for number in range(50)]

    assert errors({"rules": rules}) == [(f"rules.{number}.threshold", "invalid") for number in range(20)]


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


@pytest.mark.parametrize("other", [GOOD, GOOD | {"threshold": 0.5}, GOOD | {"operator": ">"}])
def test_duplicate_rules_are_refused(other: dict[str, Any]) -> None:
    assert errors({"rules": [GOOD, LIMIT, other]}) == [("rules.2", "duplicate")]


def test_a_metric_may_have_one_limit_of_each_kind() -> None:
    assert errors({"rules": [LIMIT, LIMIT | {"max_regression": 0.5}]}) == [("rules.1", "duplicate")]


def test_different_rules_on_one_metric_are_allowed() -> None:
    rules = [GOOD, GOOD | {"confidence": 0.95}, GOOD | {"operator": "<="}, LIMIT, LIMIT | {"relative": True}]

    assert len(parse_policy({"rules": rules}).rules) == 5


def test_an_organizations_rule_must_be_valid_for_some_task_type() -> None:
    every = task_types.all_task_types()
    rules = [GOOD, {"metric": "rmse", "operator": "<=", "threshold": 50}]
    validate_for(parse_policy({"rules": rules}), every)

    assert errors({"rules": [GOOD, {"metric": "speed", "operator": ">", "threshold": 1}]}, *every) == [
        ("rules.1.metric", "unknown")
    ]
    assert errors({"rules": [GOOD | {"threshold": 1.5}]}, *every) == [("rules.0.threshold", "out_of_bounds")]


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
thresholds = st.builds(
    lambda metric, operator, threshold, more: {"metric": metric, "operator": operator, "threshold": threshold, **more},
    metrics,
    st.sampled_from([">=", ">", "<=", "<"]),
    numbers,
    confidence,
).filter(lambda rule: (rule["operator"], rule["threshold"]) not in ((">", 1), ("<", 0)))  # which no value passes
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


def test_a_policy_with_every_field_round_trips() -> None:
    policy = parse_policy(CONTRACT_IN_FULL)
    validate_for(policy, [CLASSIFICATION])

    assert policy.as_document() == CONTRACT_IN_FULL
    assert asdict(parse_policy(policy.as_document())) == asdict(policy)


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
    assert errors({"rules": [GOOD], **more}) == [(field, code)]


@pytest.mark.parametrize(
    ("rule", "field", "code"),
    [
        (GOOD | {"against": "best"}, "rules.1.against", "invalid"),
        (LIMIT | {"against": "1"}, "rules.1.against", "invalid_choice"),
        (GOOD | {"min_sample_count": 50}, "rules.1.min_sample_count", "not_available"),
        (GOOD | {"metric": "slice.a.b.recall", "min_sample_count": 50}, "rules.1.min_sample_count", "not_available"),
        (GOOD | {"metric": "worst_slice.a.recall", "min_sample_count": 0}, "rules.1.min_sample_count", "invalid"),
        (LIMIT | {"metric": "worst_slice.a.recall", "confidence": 0.95}, "rules.1.confidence", "no_interval"),
        (GOOD | {"metric": "slice.a.recall"}, "rules.1.metric", "unknown"),
        (GOOD | {"metric": "slice.a.b.specificity"}, "rules.1.metric", "unknown"),  # not of the summary
        (GOOD | {"metric": "worst_slice.recall"}, "rules.1.metric", "unknown"),
        (GOOD | {"metric": "missing_fraction", "threshold": 1.5}, "rules.1.threshold", "out_of_bounds"),
        (GOOD | {"metric": "train_overlap", "confidence": 0.95}, "rules.1.confidence", "no_interval"),
    ],
)
def test_an_invalid_rule_of_slices_or_baselines_is_refused_and_named(rule: Any, field: str, code: str) -> None:
    assert rule_errors_for(rule) == [(field, code)]


def test_an_organization_may_pin_options_of_different_task_types() -> None:
    policy = parse_policy({"rules": [GOOD], "evaluation": {"averaging": "binary", "k": 10}})

    validate_for(policy, task_types.all_task_types())


def test_a_policy_without_the_newer_fields_means_what_it_meant() -> None:
    policy = parse_policy(CONTRACT)

    assert (policy.dataset, policy.against, policy.requirements) == ("", "promoted", Requirements())
