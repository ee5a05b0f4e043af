"""Rules with a limit on regression, with and without confidence."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from performance.gates.gate_input import GateInput, RuleStatus
from performance.gates.measurement import Measurement
from performance.metrics.comparison import MetricValues
from performance.metrics.statistics.differences import independent_interval
from performance.metrics.statistics.intervals import Interval
from tests.performance.gates.cases import (
    FAILED,
    MISSING,
    PASSED,
    UNKNOWN_EXAMPLES,
    between,
    fractions,
    gate_input,
    judge_rule,
)
from tests.performance.gates.rules import ACCURACY_LIMIT


@pytest.mark.parametrize(
    ("limit", "before", "value", "status"),
    [
        (0.1, 0.8, 0.7, PASSED),  # in doubles 0.10000000000000009
        (0.1, 0.3, 0.2, PASSED),
        (0.01, 0.93, 0.92, PASSED),
        (0.1, 0.8, math.nextafter(0.7, 0), FAILED),
        (0, 0.8, 0.8, PASSED),
        (0, 0.8, math.nextafter(0.8, 0), FAILED),
        (0, 0.8, 0.9, PASSED),
    ],
)
def test_limit_is_exact_for_decimals_as_written(limit: float, before: float, value: float, status: RuleStatus) -> None:
    rule = judge_rule(ACCURACY_LIMIT | {"max_regression": limit}, gate_input({"accuracy": value}, {"accuracy": before}))

    assert rule.status is status


@given(value=fractions, before=fractions, limit=fractions, relative=st.booleans())
def test_limit_is_exact_for_any_decimals(value: float, before: float, limit: float, relative: bool) -> None:
    rule = ACCURACY_LIMIT | {"max_regression": limit, "relative": relative}
    now, was, most = (Fraction(repr(number)) for number in (value, before, limit))

    found = judge_rule(rule, gate_input({"accuracy": value}, {"accuracy": before}))

    assert (found.status is PASSED) == (now >= was - most * (was if relative else 1))


def test_metric_that_is_better_lower_is_limited_upwards() -> None:
    rule = {"metric": "log_loss", "max_regression": 0.01}

    kept = judge_rule(rule, gate_input({"log_loss": 0.15}, {"log_loss": 0.14}))
    broken = judge_rule(rule, gate_input({"log_loss": 0.16}, {"log_loss": 0.14}))
    better = judge_rule(rule, gate_input({"log_loss": 0.1}, {"log_loss": 0.14}))

    assert [each.status for each in (kept, broken, better)] == [PASSED, FAILED, PASSED]
    assert (broken.operator, broken.threshold, broken.value, broken.baseline_value) == ("<=", 0.15, 0.16, 0.14)
    text = "log_loss is {}, and 0.14 in the promoted ver-00001: {}; worse by 0.01 is allowed." + UNKNOWN_EXAMPLES
    assert broken.detail == text.format(0.16, "worse by 0.02")
    assert better.detail == text.format(0.1, "no worse")


def test_metric_that_is_best_at_zero_is_limited_by_magnitude() -> None:
    rule = {"metric": "bias", "max_regression": 0.5}

    def status(value: float, before: float) -> RuleStatus:
        return judge_rule(rule, gate_input({"bias": value}, {"bias": before}), "regression").status

    assert [status(-2.5, 2), status(2.5, -2), status(-2.75, 2), status(1, -2)] == [PASSED, PASSED, FAILED, PASSED]


@pytest.mark.parametrize("before", [2, -2])
@pytest.mark.parametrize(
    ("value", "bound"), [(1, ("<=", 2.5)), (2.75, ("<=", 2.5)), (-1, (">=", -2.5)), (-2.75, (">=", -2.5))]
)
def test_metric_that_is_best_at_zero_has_a_threshold_on_its_side(
    before: float, value: float, bound: tuple[str, float]
) -> None:
    rule = {"metric": "bias", "max_regression": 0.5}

    found = judge_rule(rule, gate_input({"bias": value}, {"bias": before}), "regression")

    assert (found.operator, found.threshold) == bound
    assert (found.status is PASSED) == (value >= bound[1] if bound[0] == ">=" else value <= bound[1])


@pytest.mark.parametrize(
    ("metric", "before", "value", "status", "bound"),
    [
        ("accuracy", 0.8, 0.72, PASSED, 0.72),
        ("accuracy", 0.8, 0.71, FAILED, 0.72),
        ("log_loss", 0.2, 0.22, PASSED, 0.22),
        ("log_loss", 0.2, 0.23, FAILED, 0.22),
        ("matthews_correlation", -0.5, -0.55, PASSED, -0.55),
        ("matthews_correlation", -0.5, -0.56, FAILED, -0.55),
        ("log_loss", 0, 0.01, FAILED, 0),
    ],
)
def test_limit_may_be_a_fraction_of_the_promoted_value(
    metric: str, before: float, value: float, status: RuleStatus, bound: float
) -> None:
    rule = {"metric": metric, "max_regression": 0.1, "relative": True}

    found = judge_rule(rule, gate_input({metric: value}, {metric: before}))

    assert (found.status, found.threshold) == (status, bound)


def test_first_promotion_passes_a_limit() -> None:
    rule = judge_rule(ACCURACY_LIMIT, gate_input({"accuracy": 0.1}, promoted=None))

    assert (rule.status, rule.threshold, rule.operator) == (PASSED, None, None)
    assert rule.detail == "accuracy is 0.1, and no version was promoted before to compare it with."
    assert judge_rule(ACCURACY_LIMIT, gate_input({}, promoted=None)).status is MISSING


@pytest.mark.parametrize("baseline", [None, {}, {"accuracy": math.nan}, {"log_loss": 0.1}])
def test_limit_is_missing_when_the_promoted_version_was_not_measured(baseline: Any) -> None:
    rule = judge_rule(ACCURACY_LIMIT, gate_input({"accuracy": 0.99}, baseline))

    assert (rule.status, rule.baseline_value) == (MISSING, None)
    what = "metrics" if baseline is None else "accuracy"
    assert rule.detail == f"The promoted ver-00001 has no {what} for the split test."


def test_limit_beyond_a_double_is_judged() -> None:
    rule = {"metric": "log_loss", "max_regression": 1e308, "relative": True}

    found = judge_rule(rule, gate_input({"log_loss": 1e308}, {"log_loss": 1e308}))

    assert (found.status, found.threshold) == (PASSED, None)
    derivation = "(1e+308 times 1e+308, the value in the promoted ver-00001)"
    allowed = f"worse by more than a double can hold {derivation} is allowed."
    assert found.detail.endswith(allowed + UNKNOWN_EXAMPLES)


@pytest.mark.parametrize(
    ("metric", "task_type", "ends", "status"),
    [
        ("accuracy", "classification", (-0.1, 0.5), PASSED),
        ("accuracy", "classification", (-0.11, 0.5), FAILED),
        ("log_loss", "classification", (-0.5, 0.1), PASSED),
        ("log_loss", "classification", (-0.5, 0.11), FAILED),
        ("bias", "regression", (-0.1, 0.1), PASSED),
        ("bias", "regression", (-0.11, 0.1), FAILED),
        ("bias", "regression", (-0.1, 0.11), FAILED),
    ],
)
def test_unfavourable_end_of_the_difference_must_be_within_the_limit(
    metric: str, task_type: str, ends: tuple[float, float], status: RuleStatus
) -> None:
    rule = {"metric": metric, "max_regression": 0.1, "confidence": 0.95}

    found = judge_rule(rule, gate_input({metric: 0.5}, {metric: 0.5}, differences={metric: ends}), task_type)

    assert (found.status, found.interval) == (status, Interval(*ends, "a test"))


def test_largest_regression_is_reported() -> None:
    rule = ACCURACY_LIMIT | {"max_regression": 0.1, "confidence": 0.95}
    text = (
        "accuracy is 0.9, and 0.91 in the promoted ver-00001: with 95% confidence {}; worse by 0.1 is allowed."
        + UNKNOWN_EXAMPLES
    )

    def detail(ends: tuple[float, float]) -> str:
        return judge_rule(
            rule, gate_input({"accuracy": 0.9}, {"accuracy": 0.91}, differences={"accuracy": ends})
        ).detail

    assert detail((-0.03, 0.01)) == text.format("worse by up to 0.03")
    assert detail((0.01, 0.02)) == text.format("no worse")


@pytest.mark.parametrize("ends", [None, (math.nan, 0), (-math.inf, 0), (0, math.inf)])
def test_limit_without_a_finite_interval_is_missing(ends: tuple[float, float] | None) -> None:
    differences = {} if ends is None else {"accuracy": ends}
    rule = judge_rule(
        ACCURACY_LIMIT | {"confidence": 0.95}, gate_input({"accuracy": 0.9}, {"accuracy": 0.9}, differences=differences)
    )

    assert (rule.status, rule.interval) == (MISSING, None)
    assert rule.detail.endswith("without the 95% interval of the difference that is required.")


def with_interval(version_id: str, metric: str, value: float, interval: Interval) -> Measurement:
    return Measurement(version_id, MetricValues({metric: value}, {metric: interval}))


@pytest.mark.parametrize(
    ("metric", "ends", "status"),
    [
        ("log_loss", (0.0, 0.08), PASSED),  # a tenth of the lower end of the baseline's interval
        ("log_loss", (0.0, 0.081), FAILED),
        ("log_loss", (0.0, 0.0), PASSED),
        ("accuracy", (-0.1, 0.0), PASSED),
        ("accuracy", (-0.101, 0.0), FAILED),
    ],
)
def test_relative_limit_with_confidence_allows_for_the_baselines_interval_if_less_is_better(
    metric: str, ends: tuple[float, float], status: RuleStatus
) -> None:
    rule = {"metric": metric, "max_regression": 0.1, "relative": True, "confidence": 0.95}
    measured, baseline = (
        with_interval(version_id, metric, 1.0, Interval(0.8, 1.2, "a test"))
        for version_id in ("ver-00002", "ver-00001")
    )

    found = judge_rule(rule, between(measured, baseline, differences={metric: ends}))

    base = "0.8, the lower end of the 95% interval" if metric == "log_loss" else "1, the value"
    assert found.status == status
    assert f" (0.1 times {base} in the promoted ver-00001) is allowed." in found.detail


@pytest.mark.parametrize(
    ("value", "before", "status"),
    [
        (-0.1, 5, PASSED),
        (0.1, -5, PASSED),
        (-4.9, 5, PASSED),
        (-5.3, 5, FAILED),
        (5.6, 5, FAILED),
        (-5.6, -5, FAILED),
        (0.7, 0.1, FAILED),
    ],
)
def test_metric_that_is_best_at_zero_may_cross_it(value: float, before: float, status: RuleStatus) -> None:
    rule = {"metric": "bias", "max_regression": 0.5, "confidence": 0.95}

    judged = between_normal("bias", value, before, error=0.1)

    assert judge_rule(rule, judged, "regression").status is status


@pytest.mark.parametrize(("value", "before"), [(5.5, 5), (-5.5, 5), (5.5, -5), (0.5, 0), (0.6, 0.1), (-0.7, 0.2)])
def test_metric_that_is_best_at_zero_rarely_passes_at_the_boundary(value: float, before: float) -> None:
    random, error, samples = np.random.default_rng(7), 0.1, 2000
    rule = {"metric": "bias", "max_regression": 0.5, "confidence": 0.95}
    judged = (
        between_normal("bias", value + one, before + other, error=error)
        for one, other in random.normal(0, error, (samples, 2))
    )

    assert sum(judge_rule(rule, each, "regression").status is PASSED for each in judged) <= 0.04 * samples


def between_normal(metric: str, value: float, before: float, *, error: float) -> GateInput:
    """Return what a rule needs if both values are normal, independent and have the same standard error."""
    both = [(each, Interval(each - 1.96 * error, each + 1.96 * error, "a test")) for each in (value, before)]
    return between_independent(metric, *both)


def between_independent(metric: str, now: tuple[float, Interval], before: tuple[float, Interval]) -> GateInput:
    """Return what a rule needs if the samples of both values are independent."""
    difference = independent_interval(*now, *before)
    assert difference is not None
    measured, baseline = with_interval("ver-00002", metric, *now), with_interval("ver-00001", metric, *before)
    return between(measured, baseline, differences={metric: (difference.lower, difference.upper)})


@pytest.mark.parametrize("limit", [0.1, 0.5, 1.0])
def test_relative_limit_with_confidence_rarely_passes_at_the_boundary(limit: float) -> None:
    random = np.random.default_rng(7)
    rule = {"metric": "mae", "max_regression": limit, "relative": True, "confidence": 0.95}
    passed, samples = 0, 2000
    for _ in range(samples):
        both = []
        for scale in (1 + limit, 1):
            errors = scale * np.abs(random.normal(size=300))
            half = stats.t.ppf(0.975, 299) * errors.std(ddof=1) / math.sqrt(300)
            both.append((errors.mean(), Interval(errors.mean() - half, errors.mean() + half, "Student's t")))
        passed += judge_rule(rule, between_independent("mae", *both), "regression").status is PASSED

    assert passed <= 0.04 * samples
