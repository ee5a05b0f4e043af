"""How two snapshots of a task type differ. Pure Python."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from models_registry.task_types import Metric, TaskType


class Change(StrEnum):
    """What became of a metric; `inconclusive` when one of both values is missing."""

    IMPROVED = "improved"
    REGRESSED = "regressed"
    UNCHANGED = "unchanged"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of two snapshots.

    `difference` is the value minus the baseline's, in the metric's unit; `relative_change` is the difference as a
    fraction of the baseline's magnitude. Both are `None` where they are not defined: without a value, or past a double.
    """

    value: float | None
    baseline_value: float | None
    difference: float | None
    relative_change: float | None
    direction: Change


def compare(
    task_type: TaskType, values: Mapping[str, float], baseline: Mapping[str, float]
) -> dict[str, MetricComparison]:
    """Return the comparison of each summary metric of a task type, by name, in its order."""
    return {
        metric.name: compare_metric(metric, values.get(metric.name), baseline.get(metric.name))
        for metric in task_type.metrics
    }


def compare_metric(metric: Metric, value: float | None, baseline: float | None) -> MetricComparison:
    """Return the comparison of one metric."""
    if value is None or baseline is None:
        return MetricComparison(value, baseline, None, None, Change.INCONCLUSIVE)
    difference = _finite(value - baseline)
    relative = _finite(difference / abs(baseline)) if difference is not None and baseline else None
    return MetricComparison(value, baseline, difference, relative, _change(metric, value, baseline))


def _change(metric: Metric, value: float, baseline: float) -> Change:
    good, before = metric.goodness(value), metric.goodness(baseline)
    if good == before:
        return Change.UNCHANGED
    return Change.IMPROVED if good > before else Change.REGRESSED


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
