"""How two snapshots of a task type differ. Pure Python."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from models_registry.task_types.base import Direction, Metric, TaskType
from performance.metrics.statistics.differences import independent
from performance.metrics.statistics.intervals import Interval


class Change(StrEnum):
    """What became of a metric.

    It is `inconclusive` when one of both values is missing, or when the difference may come from the samples alone: its
    confidence interval holds 0.
    """

    IMPROVED = "improved"
    REGRESSED = "regressed"
    UNCHANGED = "unchanged"
    INCONCLUSIVE = "inconclusive"


class PairingStatus(StrEnum):
    """Whether two snapshots are compared example by example.

    While it is `pending`, the samples count as independent. `unavailable` is final for these two snapshots: the same
    examples were not kept of both, the metrics were taken in different ways, or the comparison failed.
    """

    COMPLETE = "complete"
    PENDING = "pending"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of two snapshots.

    `difference` is the value minus the baseline's, in the metric's unit; `relative_change` is the difference as a
    fraction of the baseline's magnitude. Both are `None` where they are not defined: without a value, or past a double.
    `confidence_interval` is of the difference: paired where the examples are known to be the same, else of independent
    samples, where both values have an interval; `None` otherwise.
    """

    value: float | None
    baseline_value: float | None
    difference: float | None
    relative_change: float | None
    direction: Change
    confidence_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class MetricValues:
    """The metrics of a snapshot, with the interval of each that has one, and how they were taken if that is known."""

    values: Mapping[str, float]
    intervals: Mapping[str, Interval]
    positive_class: str | None = None
    averaging: str | None = None

    def is_taken_unlike(self, other: "MetricValues") -> bool:
        """Return whether both are known to be of another positive class, or averaged in another way."""
        chosen = (self.positive_class, other.positive_class), (self.averaging, other.averaging)
        return any(ours is not None and theirs is not None and ours != theirs for ours, theirs in chosen)

    @property
    def choices(self) -> str:
        """How the metrics were taken, in words; empty where nothing is known of that."""
        positive = [] if self.positive_class is None else [f"of the positive class {self.positive_class!r}"]
        return " ".join(positive + ([f"with {self.averaging} averaging"] if self.averaging else []))


def compare(
    task_type: TaskType, measured: MetricValues, baseline: MetricValues, paired: Mapping[str, Interval]
) -> dict[str, MetricComparison]:
    """Return the comparison of each summary metric of a task type, by name, in its order.

    `paired` has the intervals of the differences that are known from equal examples.
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
    interval = paired or independent(
        value, measured.intervals.get(metric.name), before, baseline.intervals.get(metric.name)
    )
    return MetricComparison(value, before, difference, relative, _change(metric, value, before, interval), interval)


def _change(metric: Metric, value: float, before: float, interval: Interval | None) -> Change:
    good, was = metric.goodness(value), metric.goodness(before)
    if good == was:
        return Change.UNCHANGED
    # Of a metric that is best at 0, the difference does not say how much better or worse it has become.
    if interval and metric.direction is not Direction.ZERO and interval.lower <= 0 <= interval.upper:
        return Change.INCONCLUSIVE
    return Change.IMPROVED if good > was else Change.REGRESSED


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
