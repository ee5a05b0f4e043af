"""Rules that bound a metric, or the unfavourable end of its interval."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from models_registry.task_types.base import Direction, Metric
from performance.gates.gate_input import GateInput, Operator, RuleStatus, RuleVerdict, format_number
from performance.gates.gate_metrics import GateMetric
from performance.gates.measurement import Estimate
from performance.gates.rules import (
    FieldError,
    common_errors,
    find_estimate,
    needed_text,
    scaled_count,
    status_of,
    value_text,
    with_options,
)
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.simultaneous import needed_ratio

_COMPARISONS: Mapping[Operator, Callable[[float, float], bool]] = {
    Operator.AT_LEAST: operator.ge,
    Operator.MORE: operator.gt,
    Operator.AT_MOST: operator.le,
    Operator.LESS: operator.lt,
}
_WORDS = {
    Operator.AT_LEAST: "at least",
    Operator.MORE: "more than",
    Operator.AT_MOST: "at most",
    Operator.LESS: "less than",
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A bound on a metric, or with `confidence` on the unfavourable end of its interval."""

    metric: str
    operator: Operator
    threshold: float
    confidence: float | None = None
    min_sample_count: int | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """A metric may have one lower and one upper bound, each for the value and for its interval."""
        return self.metric, self.operator.is_lower_bound, self.confidence, self.min_sample_count

    def errors(self, gate_metric: GateMetric) -> Iterator[FieldError]:
        """Yield the errors of the threshold and of the confidence."""
        error = gate_metric.metric.validation_error(self.threshold) if gate_metric.metric else None
        if error:
            yield "threshold", "out_of_bounds", error
        elif gate_metric.metric and self._excludes_all(gate_metric.metric):
            detail = f"No value of {self.metric} is {_WORDS[self.operator]} {format_number(self.threshold)}."
            yield "threshold", "out_of_bounds", detail
        yield from common_errors(self, gate_metric)

    def contradicts(self, other: "Threshold") -> bool:
        """Return whether no value of one metric is within both bounds."""
        if self.operator.is_lower_bound == other.operator.is_lower_bound:
            return False
        lower, upper = (self, other) if self.operator.is_lower_bound else (other, self)
        is_strict = Operator.MORE is lower.operator or Operator.LESS is upper.operator
        return lower.threshold > upper.threshold or (is_strict and lower.threshold == upper.threshold)

    def _excludes_all(self, metric: Metric) -> bool:
        """Return whether the bound excludes even the last value that the metric can have."""
        last = {Operator.MORE: metric.upper, Operator.LESS: metric.lower}
        return self.threshold == last.get(self.operator)

    def warning(self, gate_metric: GateMetric) -> str | None:
        """Warn if the operator contradicts the metric's direction."""
        if gate_metric.metric is None or not _contradicts(self.operator, gate_metric.metric, self.threshold):
            return None
        return (
            f"{self.metric} {self.operator} {format_number(self.threshold)} lets worse values pass: "
            f"{gate_metric.metric.direction} is better."
        )

    def judge(self, gate_input: GateInput, gate_metric: GateMetric) -> RuleVerdict:
        """Return whether the value is within the bound."""
        found = find_estimate(self, gate_metric, gate_input.measured)
        value, interval = found.value, found.usable_interval(self.confidence)
        verdict = partial(RuleVerdict, self.metric, self.operator, self.threshold, value, interval=interval)
        if problem := gate_input.problem:
            return verdict(RuleStatus.MISSING, problem)
        if value is None:
            return verdict(RuleStatus.MISSING, gate_input.missing_message(self.metric, found.reason))
        if self.confidence is None:
            return verdict(*self._result(value, value_text(self.metric, value, found)))
        if interval is None:
            return verdict(RuleStatus.MISSING, self._no_interval(value, found))
        end, name = (interval.lower, "lower") if self.operator.is_lower_bound else (interval.upper, "upper")
        detail = (
            f"{value_text(self.metric, value, found)}, "
            f"and the {name} end of its {self.confidence:.0%} interval {format_number(end)}"
        )
        status, detail = self._result(end, detail)
        needed = self._needed_sample_count(found, interval, end) if status is RuleStatus.FAILED else None
        return verdict(status, f"{detail}{needed_text(needed)}", needed_sample_count=needed)

    def as_document(self) -> dict[str, object]:
        """Return the rule as a JSON document."""
        document = {"metric": self.metric, "operator": self.operator.value, "threshold": self.threshold}
        return with_options(document, confidence=self.confidence, min_sample_count=self.min_sample_count)

    def _no_interval(self, value: float, found: Estimate) -> str:
        detail = (
            f"{value_text(self.metric, value, found)}, without the {self.confidence:.0%} interval that is required."
        )
        return f"{detail} {found.reason}" if found.reason else detail

    def _needed_sample_count(self, found: Estimate, interval: Interval, end: float) -> int | None:
        value = found.value
        if value is None or not _COMPARISONS[self.operator](value, self.threshold):
            return None
        return scaled_count(
            found.sample_count, needed_ratio(value, end, self.threshold, is_score=interval.method == "wilson")
        )

    def _result(self, number: float, detail: str) -> tuple[RuleStatus, str]:
        passed = _COMPARISONS[self.operator](number, self.threshold)
        needed = f"{_WORDS[self.operator]} {format_number(self.threshold)} is required"
        return status_of(passed), f"{detail}; {needed}."


def _contradicts(required: Operator, metric: Metric, threshold: float) -> bool:
    """Return whether a bound refuses the better values, and accepts worse ones."""
    if metric.direction is Direction.ZERO:
        return threshold > 0 if required.is_lower_bound else threshold < 0
    return required.is_lower_bound != (metric.direction is Direction.HIGHER)
