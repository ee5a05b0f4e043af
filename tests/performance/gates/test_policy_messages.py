"""The text of each error says what is wrong and what is allowed."""

from typing import Any

import pytest

from models_registry import task_types
from performance.gates.policy import InvalidPolicyError, parse_policy, validate_for
from tests.performance.gates.policy_errors import CLASSIFICATION, GOOD, LIMIT

FIELDS = "dataset_split, dataset, source, same_dataset, max_age_days, evaluation, against, rules"
QUANTITIES = (
    "sample_count, effective_sample_size, missing_fraction, train_overlap, custom.NAME, slice.ATTRIBUTE.VALUE.METRIC, "
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


def test_a_rule_needs_either_a_threshold_or_a_limit() -> None:
    text = "Must have either `operator` and `threshold`, or `max_regression`."
    for more in ({"operator": ">="}, {"threshold": 0.5}):
        with pytest.raises(InvalidPolicyError) as refused:
            parse_policy({"rules": [LIMIT | more]})
        assert refused.value.errors == [("rules.0", "invalid", text)]


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
        f"{', '.join(metric.name for metric in task_types.get('ranking').all_metrics)}, {QUANTITIES}"
        "or worst_slice.ATTRIBUTE.METRIC."
    )


def test_an_unknown_metric_error_mentions_per_class_metrics() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(parse_policy({"rules": [GOOD | {"metric": "speed"}]}), [task_types.get("forecasting")])

    assert str(refused.value) == (
        f"rules.0.metric: There is no 'speed' of forecasting; use mae, rmse, smape, mase, wape, {QUANTITIES}"
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


def test_several_policy_errors_are_reported_together() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        parse_policy({"rules": [1], "dataset_split": "x"})

    assert [field for field, _, _ in refused.value.errors] == ["dataset_split", "rules.0"]
    assert str(refused.value) == "; ".join(f"{field}: {detail}" for field, _, detail in refused.value.errors)
