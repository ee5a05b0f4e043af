"""The text of each error says what is wrong and what is allowed."""

from typing import Any

import pytest

from models_registry import task_types
from performance.gates.policy import InvalidPolicyError, parse_policy, validate_for
from tests.performance.gates.policy_errors import CLASSIFICATION
from tests.performance.gates.rules import ACCURACY_AT_LEAST, ACCURACY_LIMIT

FIELDS = "dataset_split, dataset, source, same_dataset, max_age_days, evaluation, against, rules"
QUANTITIES = (
    "sample_count, effective_sample_size, missing_fraction, train_overlap, custom.NAME, slice.ATTRIBUTE.VALUE.METRIC, "
)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "Must be an object with `rules`."),
        ({"rules": []}, "rules: Must be a list of at least one rule."),
        ({"rules": [ACCURACY_AT_LEAST] * 101}, "rules: Must have at most 100 rules."),
        (
            {"rules": [ACCURACY_AT_LEAST], "dataset_split": "x"},
            "dataset_split: Must be one of train, validation, test, in lower case.",
        ),
        ({"rules": [ACCURACY_AT_LEAST], "x" * 50: 1}, f"{'x' * 40}: Unknown field; use {FIELDS}."),
        ({"rules": [1]}, "rules.0: Must be an object."),
        (
            {"rules": [ACCURACY_AT_LEAST, ACCURACY_AT_LEAST]},
            "rules.1: Repeats rule 0 for accuracy: keep one of the two.",
        ),
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
            parse_policy({"rules": [ACCURACY_LIMIT | more]})
        assert refused.value.errors == [("rules.0", "invalid", text)]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({**ACCURACY_AT_LEAST, "metric": ""}, "metric: Must be the name of a metric: 1 to 300 characters."),
        ({**ACCURACY_AT_LEAST, "operator": "="}, "operator: Must be one of >=, >, <=, <; or give `max_regression`."),
        ({**ACCURACY_AT_LEAST, "threshold": "x"}, "threshold: Must be a finite number."),
        ({**ACCURACY_LIMIT, "max_regression": "x"}, "max_regression: Must be a finite number."),
        ({**ACCURACY_AT_LEAST, "confidence": "x"}, "confidence: Must be a finite number."),
        ({**ACCURACY_LIMIT, "relative": 1}, "relative: Must be true or false, beside `max_regression`."),
        (
            {**ACCURACY_AT_LEAST, "x": 1},
            "x: Unknown field; use metric, operator, threshold, max_regression, relative, confidence, against, "
            "min_sample_count.",
        ),
        ({**ACCURACY_AT_LEAST, "threshold": 2}, "threshold: Must be at most 1, not 2.0."),
        ({**ACCURACY_LIMIT, "max_regression": -1}, "max_regression: Must be 0 or more, not -1."),
        ({**ACCURACY_LIMIT, "max_regression": 1.5}, "max_regression: accuracy cannot get worse by more than 1."),
        (
            {**ACCURACY_LIMIT, "metric": "matthews_correlation", "max_regression": 2.5},
            "max_regression: matthews_correlation cannot get worse by more than 2.",
        ),
        (
            {**ACCURACY_LIMIT, "metric": "custom.x"},
            "max_regression: The direction of a custom metric is unknown. Use `operator` and `threshold`.",
        ),
        ({**ACCURACY_AT_LEAST, "confidence": 0.9}, "confidence: Must be 0.95: the level of the stored intervals."),
        (
            {**ACCURACY_AT_LEAST, "metric": "sample_count", "confidence": 0.95},
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
        validate_for(parse_policy({"rules": [ACCURACY_AT_LEAST | {"metric": "x" * 50}]}), [task_types.get("ranking")])

    assert str(refused.value) == (
        f"rules.0.metric: There is no '{'x' * 40}' of ranking; use "
        f"{', '.join(metric.name for metric in task_types.get('ranking').all_metrics)}, {QUANTITIES}"
        "or worst_slice.ATTRIBUTE.METRIC."
    )


def test_an_unknown_metric_error_mentions_per_class_metrics() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(
            parse_policy({"rules": [ACCURACY_AT_LEAST | {"metric": "speed"}]}), [task_types.get("forecasting")]
        )

    assert str(refused.value) == (
        f"rules.0.metric: There is no 'speed' of forecasting; use mae, rmse, smape, mase, wape, {QUANTITIES}"
        "worst_slice.ATTRIBUTE.METRIC, or per_class.LABEL.METRIC."
    )


def test_an_invalid_custom_name_error_says_what_is_allowed() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(parse_policy({"rules": [ACCURACY_AT_LEAST | {"metric": "custom.-cost"}]}), [CLASSIFICATION])

    assert str(refused.value) == (
        "rules.0.metric: There is no 'custom.-cost' of classification; use custom.NAME, where NAME is 1 to 100 "
        "letters, digits, spaces and any of _ . / @ -, and begins with none of the last."
    )


def test_an_unknown_per_class_metric_error_lists_the_known_ones() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        validate_for(
            parse_policy({"rules": [ACCURACY_AT_LEAST | {"metric": "per_class.cat.log_loss"}]}), [CLASSIFICATION]
        )

    assert str(refused.value) == (
        "rules.0.metric: There is no 'per_class.cat.log_loss' of classification; use per_class.LABEL.METRIC, where "
        "METRIC is one of precision, recall, f1_score, roc_auc, support."
    )


def test_several_policy_errors_are_reported_together() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        parse_policy({"rules": [1], "dataset_split": "x"})

    assert [field for field, _, _ in refused.value.errors] == ["dataset_split", "rules.0"]
    assert str(refused.value) == "; ".join(f"{field}: {detail}" for field, _, detail in refused.value.errors)
