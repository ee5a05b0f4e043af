"""Judge versions with given values by rules."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from models_registry import task_types
from performance.gates.gate_input import Baseline, GateInput, RuleStatus, RuleVerdict
from performance.gates.measurement import Measurement
from performance.gates.policy import parse_policy
from performance.gates.verdict import StoredPolicy, Verdict, judge
from performance.metrics.comparison import MetricValues
from performance.metrics.statistics.intervals import Interval
from tests.performance.gates.rules import ACCURACY_AT_LEAST

NOW = datetime(2026, 3, 13, 14, 22, 10, tzinfo=UTC)
NOTHING: Mapping[str, Any] = {}
SURE = ACCURACY_AT_LEAST | {"confidence": 0.95}
PASSED, FAILED, MISSING = RuleStatus
fractions = st.floats(min_value=0, max_value=1)
UNKNOWN_EXAMPLES = " Whether both were measured on the same examples is unknown."


def gate_input(
    values: Mapping[str, float] | None,
    baseline: Mapping[str, float] | None = None,
    *,
    intervals: Mapping[str, tuple[float, float]] = NOTHING,
    differences: Mapping[str, tuple[float, float]] = NOTHING,
    promoted: str | None = "ver-00001",
) -> GateInput:
    """Return the input for a version with these values and intervals, and for a promoted version."""
    measured = None if values is None else Measurement("ver-00002", MetricValues(values, _intervals(intervals)))
    before = None if baseline is None else Measurement("ver-00001", MetricValues(baseline, {}))
    return between(measured, before, differences=differences, promoted=promoted)


def between(
    measured: Measurement | None,
    baseline: Measurement | None = None,
    *,
    differences: Mapping[str, tuple[float, float]] = NOTHING,
    promoted: str | None = "ver-00001",
) -> GateInput:
    """Return the input for what was measured of a version and of the promoted one."""
    before = Baseline(promoted, baseline, differences=_intervals(differences))
    return GateInput("mdl-7f3a19bc92", "ver-00002", "test", measured, before)


def candidate_with(options: dict[str, Any] | None = None, **facts: Any) -> Measurement:
    """Return what was measured of the judged version."""
    metrics = MetricValues({"accuracy": 0.95, "recall": 0.9}, {}, options or {})
    return Measurement("ver-00002", metrics, **facts)


def baseline_with(options: dict[str, Any] | None = None, **facts: Any) -> Measurement:
    """Return the same of the promoted version."""
    return replace(candidate_with(options, **facts), version_id="ver-00001")


def judge_rules(
    rules: list[dict[str, Any]], judged: GateInput, task_type: str = "classification", **required: Any
) -> Verdict:
    """Return the verdict of these rules, under the policy's other fields."""
    policy = parse_policy({**required, "rules": rules})
    return judge(policy, task_types.get(task_type), judged, judged_at=NOW, stored=StoredPolicy("model", 3))


def judge_rule(
    rule: dict[str, Any], judged: GateInput, task_type: str = "classification", **required: Any
) -> RuleVerdict:
    """Return the verdict of one rule."""
    return judge_rules([rule], judged, task_type, **required).rules[0]


def _intervals(ends: Mapping[str, tuple[float, float]]) -> dict[str, Interval]:
    return {name: Interval(lower, upper, "a test") for name, (lower, upper) in ends.items()}
