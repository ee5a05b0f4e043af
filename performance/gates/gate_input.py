"""What a rule is judged by, and what becomes of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from performance.metrics.comparison import MetricValues, PairingStatus
from performance.metrics.statistics.intervals import Interval


class Operator(StrEnum):
    """How a value must compare with a threshold."""

    AT_LEAST = ">="
    MORE = ">"
    AT_MOST = "<="
    LESS = "<"

    @property
    def from_below(self) -> bool:
        """Whether it is small values that it refuses."""
        return self in (Operator.AT_LEAST, Operator.MORE)


class RuleStatus(StrEnum):
    """What became of a rule. `missing` is a failure as well: what it needs was not recorded."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"


class RuleVerdict(NamedTuple):
    """What became of a rule, with both numbers: `value`, and the `threshold` that it was held against.

    For a limit on regression the threshold is what follows from the baseline's value, `None` without one. `interval` is
    there when the rule asks for confidence: that of the value, or of its difference from the baseline's.
    """

    metric: str
    operator: Operator | None
    threshold: float | None
    value: float | None
    status: RuleStatus
    detail: str
    interval: Interval | None = None
    baseline_value: float | None = None


@dataclass(frozen=True, slots=True)
class GateInput:
    """What is known of the version that is judged, and of the promoted one, both on the policy's split.

    `baseline_version_id` is `None` when nothing is promoted. `measured` and `baseline` are `None` without a snapshot;
    their values go by the names of `quantity_of`. `differences` has the intervals of value minus baseline's value.
    `pairing` says whether these come from comparing example by example; `None` if no rule needs that.
    """

    model_id: str
    version_id: str
    dataset_split: str
    measured: MetricValues | None
    baseline_version_id: str | None = None
    baseline: MetricValues | None = None
    differences: Mapping[str, Interval] = field(default_factory=dict)
    pairing: PairingStatus | None = None

    def value(self, metric: str) -> float | None:
        """Return the version's value, `None` unless there is a finite one."""
        return _value(self.measured, metric)

    def baseline_value(self, metric: str) -> float | None:
        """Return the promoted version's value, `None` unless there is a finite one."""
        return _value(self.baseline, metric)

    def interval(self, metric: str, level: float) -> Interval | None:
        """Return the interval of the version's value, `None` unless there is a finite one of this level."""
        return _usable(self.measured.intervals.get(metric), level) if self.measured else None

    def difference(self, metric: str, level: float) -> Interval | None:
        """Return the interval of the difference, `None` unless there is a finite one of this level."""
        return _usable(self.differences.get(metric), level)

    @property
    def is_taken_unlike(self) -> bool:
        """Whether metrics that depend on how they are taken do not compare with the promoted version's."""
        return self.measured is not None and self.baseline is not None and self.measured.is_taken_unlike(self.baseline)

    def unlike(self, metric: str) -> str:
        """Say in which two ways a metric was taken."""
        ours, theirs = (measured.choices if measured else "" for measured in (self.measured, self.baseline))
        return (
            f"{metric} of {self.version_id} was taken {ours}, and of the promoted {self.baseline_version_id} {theirs}: "
            "the two do not compare."
        )

    def lacking(self, metric: str) -> str:
        """Say that the version has no such value."""
        return _missing_message(self.version_id, self.measured, metric, self.dataset_split)

    def baseline_lacking(self, metric: str) -> str:
        """Say that the promoted version has no such value."""
        return _missing_message(f"The promoted {self.baseline_version_id}", self.baseline, metric, self.dataset_split)


@lru_cache(maxsize=256)  # as one number comes up in rule after rule
def format_number(number: float) -> str:
    """Return a number as verdicts tell it: the shortest that stands for it, and whole ones without a fraction."""
    return repr(int(number)) if number == int(number) and abs(number) < 1e15 else repr(float(number))


def _value(measured: MetricValues | None, metric: str) -> float | None:
    value = measured.values.get(metric) if measured else None
    return value if value is not None and math.isfinite(value) else None


def _usable(interval: Interval | None, level: float) -> Interval | None:
    if interval is None or interval.level != level:
        return None
    return interval if math.isfinite(interval.lower) and math.isfinite(interval.upper) else None


def _missing_message(version: str, measured: MetricValues | None, metric: str, dataset_split: str) -> str:
    what = "no metrics" if measured is None else f"no {metric}"
    return f"{version} has {what} for the split {dataset_split}."
