"""Compare the metrics of two snapshots. Pure Python."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from models_registry.task_types.base import Direction, Metric, TaskType
from performance.metrics.statistics.differences import independent_interval
from performance.metrics.statistics.intervals import Interval


class Change(StrEnum):
    """Say how a metric changed.

    It is `inconclusive` if one of both values is missing, or if the difference may be due to the samples alone: its
    confidence interval contains 0.
    """

    IMPROVED = "improved"
    REGRESSED = "regressed"
    UNCHANGED = "unchanged"
    INCONCLUSIVE = "inconclusive"


class PairingStatus(StrEnum):
    """Say whether two snapshots are compared example by example.

    While the status is `pending`, the samples are treated as independent. `unavailable` is final for these two
    snapshots: the predictions of the same examples are not stored for both, the metrics differ in averaging, or the
    comparison failed.
    """

    COMPLETE = "complete"
    PENDING = "pending"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of two snapshots.

    `difference` is the value minus the baseline's value, in the metric's unit. `relative_change` is the difference
    divided by the absolute baseline value. Each is `None` if it is undefined: a value is missing, the result is too
    large for a double, or the baseline is 0 (`relative_change`). `confidence_interval` is the interval of the
    difference: paired if both snapshots have the same examples, else for independent samples if both values have an
    interval, else `None`.
    """

    value: float | None
    baseline_value: float | None
    difference: float | None
    relative_change: float | None
    direction: Change
    confidence_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class MetricValues:
    """The metrics of a snapshot, their known intervals, and the positive class and averaging if these are known."""

    values: Mapping[str, float]
    intervals: Mapping[str, Interval]
    positive_class: str | None = None
    averaging: str | None = None

    def differs_in_averaging(self, other: "MetricValues") -> bool:
        """Return whether both are known to use different positive classes or different averaging."""
        pairs = (self.positive_class, other.positive_class), (self.averaging, other.averaging)
        return any(ours is not None and theirs is not None and ours != theirs for ours, theirs in pairs)

    @property
    def averaging_text(self) -> str:
        """Describe the positive class and the averaging. The text is empty if neither is known."""
        positive = [] if self.positive_class is None else [f"for the positive class {self.positive_class!r}"]
        return " ".join(positive + ([f"with {self.averaging} averaging"] if self.averaging else []))


def compare(
    task_type: TaskType, measured: MetricValues, baseline: MetricValues, paired: Mapping[str, Interval]
) -> dict[str, MetricComparison]:
    """Return the comparison of each summary metric of a task type, by name, in its order.

    Args:
        task_type: declares the metrics.
        measured: the values of the snapshot.
        baseline: the values that it is compared with.
        paired: the intervals of differences that are known from comparing example by example, by metric.
    """
    return {
        metric.name: compare_metric(metric, measured, baseline, paired.get(metric.name)) for metric in task_type.metrics
    }


def compare_metric(
    metric: Metric, measured: MetricValues, baseline: MetricValues, paired: Interval | None = None
) -> MetricComparison:
    """Return the comparison of one metric."""
    value, before = measured.values.get(metric.name), baseline.values.get(metric.name)
    if value is None or before is None:
        return MetricComparison(value, before, None, None, Change.INCONCLUSIVE)
    difference = _finite(value - before)
    relative = _finite(difference / abs(before)) if difference is not None and before else None
    interval = paired or independent_interval(
        value, measured.intervals.get(metric.name), before, baseline.intervals.get(metric.name)
    )
    return MetricComparison(value, before, difference, relative, _change(metric, value, before, interval), interval)


def _change(metric: Metric, value: float, before: float, interval: Interval | None) -> Change:
    goodness, baseline_goodness = metric.goodness(value), metric.goodness(before)
    if goodness == baseline_goodness:
        return Change.UNCHANGED
    # If a metric is best at 0, the difference does not say how much better or worse it has become.
    if interval and metric.direction is not Direction.ZERO and interval.lower <= 0 <= interval.upper:
        return Change.INCONCLUSIVE
    return Change.IMPROVED if goodness > baseline_goodness else Change.REGRESSED


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
