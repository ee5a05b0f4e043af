"""Limits on regression between versions that were evaluated with different options."""

from typing import Any

import pytest

from performance.gates.gate_input import RuleStatus
from performance.gates.measurement import Measurement
from performance.metrics.comparison import MetricValues, known_options
from tests.performance.gates.cases import (
    MISSING,
    PASSED,
    baseline_with,
    between,
    candidate_with,
    judge_rule,
    judge_rules,
)


def metric_values(values: dict[str, float], positive_class: str | None, averaging: str | None) -> MetricValues:
    """Return values of an evaluation that says its positive class and averaging, if they are not `None`."""
    return MetricValues(values, {}, known_options({}, positive_class, averaging))


OURS = metric_values({"recall": 0.99, "accuracy": 0.9, "per_class.no.recall": 0.9}, "no", "binary")
THEIRS = metric_values({"recall": 0.9, "accuracy": 0.9, "per_class.no.recall": 0.9}, "yes", "binary")


def status_of(metric: str, ours: MetricValues, theirs: MetricValues) -> RuleStatus:
    both = between(Measurement("ver-00002", ours), Measurement("ver-00001", theirs))
    return judge_rule({"metric": metric, "max_regression": 0.05}, both).status


def test_limit_between_two_positive_classes_is_missing_and_names_both() -> None:
    both = between(Measurement("ver-00002", OURS), Measurement("ver-00001", THEIRS))

    rule = judge_rule({"metric": "recall", "max_regression": 0.05}, both)

    assert (rule.status, rule.value, rule.baseline_value) == (MISSING, 0.99, 0.9)
    assert rule.detail == (
        "recall of ver-00002 is computed for the positive class 'no' with binary averaging, and that of "
        "the promoted ver-00001 for the positive class 'yes' with binary averaging: they are not comparable."
    )


@pytest.mark.parametrize(
    ("metric", "ours", "theirs", "unknown"),
    [
        ("recall", (None, None), ("yes", "binary"), "positive class and averaging"),
        ("recall", ("yes", "binary"), (None, None), "positive class and averaging"),
        ("recall", ("yes", None), ("yes", "binary"), "averaging"),
        ("recall", ("yes", "binary"), ("yes", "binary"), None),
        ("accuracy", (None, None), ("yes", "binary"), None),
    ],
)
def test_the_detail_says_which_options_of_one_version_are_unknown(
    metric: str, ours: Any, theirs: Any, unknown: str | None
) -> None:
    newer, older = (metric_values({"recall": 0.9, "accuracy": 0.9}, *choice) for choice in (ours, theirs))
    both = between(Measurement("ver-00002", newer), Measurement("ver-00001", older))

    rule = judge_rule({"metric": metric, "max_regression": 0.05}, both)

    assert rule.status is PASSED
    expected = f"Whether both were evaluated with the same {unknown} is unknown." if unknown else "is unknown."
    assert rule.detail.endswith(expected)
    assert ("evaluated with the same" in rule.detail) == (unknown is not None)


@pytest.mark.parametrize("metric", ["precision", "recall", "f1_score", "specificity", "roc_auc", "average_precision"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(("no", "binary"), ("yes", "binary")), (("", None), ("yes", None)), ((None, "macro"), ("yes", "binary"))],
)
def test_metric_that_depends_on_averaging_is_missing(metric: str, ours: Any, theirs: Any) -> None:
    newer, older = (metric_values({metric: 0.5}, *choice) for choice in (ours, theirs))

    assert status_of(metric, newer, older) is MISSING
    assert status_of(metric, newer, newer) is PASSED


@pytest.mark.parametrize("choice", [(None, None), ("yes", None), (None, "binary")])
def test_unknown_averaging_is_judged(choice: Any) -> None:
    assert status_of("recall", OURS, metric_values({"recall": 0.99}, None, None)) is PASSED
    assert status_of("recall", metric_values({"recall": 0.99}, *choice), THEIRS) is PASSED


@pytest.mark.parametrize("metric", ["accuracy", "per_class.no.recall"])
def test_metric_that_does_not_depend_on_averaging_is_judged(metric: str) -> None:
    assert status_of(metric, OURS, THEIRS) is PASSED


def test_limit_with_confidence_between_two_positive_classes_is_missing() -> None:
    surely_better = {"recall": (0.05, 0.1)}
    measured, before = Measurement("ver-00002", OURS), Measurement("ver-00001", THEIRS)
    both = between(measured, before, differences=surely_better)

    rule = judge_rule({"metric": "recall", "max_regression": 0.05, "confidence": 0.95}, both)

    assert (rule.status, rule.interval) == (MISSING, None)


@pytest.mark.parametrize("ours", [0.4, None])
def test_metric_of_decisions_is_not_compared_at_another_threshold(ours: float | None) -> None:
    both = between(candidate_with({"threshold": ours}), baseline_with({"threshold": 0.5}))

    rule = judge_rule({"metric": "accuracy", "max_regression": 0.05}, both)

    assert rule.status is MISSING
    way = "without a threshold" if ours is None else "at the threshold 0.4"
    assert rule.detail == (
        f"accuracy of ver-00002 is computed {way}, and that of the promoted ver-00001 at the threshold 0.5: they "
        "are not comparable."
    )


def test_k_matters_to_metrics_at_k() -> None:
    metrics = {"recall_at_k": 0.9, "ndcg": 0.9}
    ours, theirs = (
        Measurement(version, MetricValues(metrics, {}, {"k": k}))
        for version, k in (("ver-00002", 20), ("ver-00001", 3))
    )
    rules = [{"metric": name, "max_regression": 0.05} for name in metrics]

    verdict = judge_rules(rules, between(ours, theirs), "ranking")

    assert [rule.status for rule in verdict.rules] == [MISSING, PASSED]
