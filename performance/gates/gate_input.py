"""The input of a gate's rules, and their verdicts."""

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
    def is_lower_bound(self) -> bool:
        """Whether the threshold is a lower bound."""
        return self in (Operator.AT_LEAST, Operator.MORE)


class RuleStatus(StrEnum):
    """The result of a rule. `missing` is a failure too: a value that the rule needs was not recorded."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"


class RuleVerdict(NamedTuple):
    """The result of a rule, with the `value` and the `threshold` that it was compared with.

    For a limit on regression, the threshold follows from the baseline's value; it is `None` without a baseline.
    `interval` is set if the rule requires confidence: it is that of the value, or of its difference from the baseline's
    value.
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
    """What is known of the judged version and of its baseline, the promoted version, both on the policy's split.

    `baseline_version_id` is `None` if no version is promoted. `measured` and `baseline` are `None` without a snapshot;
    the names of their values are those of `find_gate_metric`. `differences` holds the intervals of the value minus the
    baseline's value. `pairing` says whether these come from comparing example by example; it is `None` if no rule needs
    that.
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
        """Return the version's value, `None` unless it is finite."""
        return _value(self.measured, metric)

    def baseline_value(self, metric: str) -> float | None:
        """Return the promoted version's value, `None` unless it is finite."""
        return _value(self.baseline, metric)

    def interval(self, metric: str, level: float) -> Interval | None:
        """Return the interval of the version's value, `None` unless it is finite and of this level."""
        return _usable(self.measured.intervals.get(metric), level) if self.measured else None

    def difference(self, metric: str, level: float) -> Interval | None:
        """Return the interval of the difference, `None` unless it is finite and of this level."""
        return _usable(self.differences.get(metric), level)

    @property
    def differs_in_averaging(self) -> bool:
        """Whether the versions are known to differ in the positive class or the averaging."""
        measured, baseline = self.measured, self.baseline
        return measured is not None and baseline is not None and measured.differs_in_averaging(baseline)

    def averaging_message(self, metric: str) -> str:
        """Say how both versions compute a metric."""
        ours, theirs = (values.averaging_text if values else "" for values in (self.measured, self.baseline))
        return (
            f"{metric} of {self.version_id} is computed {ours}, and that of the promoted {self.baseline_version_id} "
            f"{theirs}: they are not comparable."
        )

    def missing_message(self, metric: str) -> str:
        """Say that the version has no such value."""
        return _missing_message(self.version_id, self.measured, metric, self.dataset_split)

    def missing_baseline_message(self, metric: str) -> str:
        """Say that the promoted version has no such value."""
        return _missing_message(f"The promoted {self.baseline_version_id}", self.baseline, metric, self.dataset_split)


@lru_cache(maxsize=256)  # many rules use the same number
def format_number(number: float) -> str:
    """Return the shortest text of a number; whole numbers have no fraction."""
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
