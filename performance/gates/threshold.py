"""Rules that bound a metric, or the unfavourable end of its interval."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from models_registry.api.field_errors import FieldError
from models_registry.task_types.base import Direction, Metric
from performance.gates.gate_input import GateInput, Operator, RuleStatus, RuleVerdict
from performance.gates.gate_metrics import GateMetric
from performance.gates.measurement import Estimate, Measurement, format_number
from performance.gates.needed_examples import NeededExamples, needed_examples, value_condition
from performance.gates.rules import (
    RuleResult,
    common_errors,
    find_estimate,
    status_of,
    value_text,
    with_options,
)
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.simultaneous import follows_score, needed_ratio, needed_ratio_of_all

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


@dataclass(frozen=True)
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
            what = "value" if self.confidence is None else f"{self._end_name} end of an interval"
            detail = f"No {what} of {self.metric} is {_WORDS[self.operator]} {format_number(self.threshold)}."
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
        """Return whether the bound excludes even the last value that the metric can have.

        With confidence, it must lie before that value: every interval has a width, and does not reach past it.
        """
        is_strict = self.confidence is not None or self.operator in (Operator.MORE, Operator.LESS)
        return is_strict and self.threshold == (metric.upper if self.operator.is_lower_bound else metric.lower)

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
        interval = None if self.confidence is None else found.usable_interval(self.confidence)
        result = self._result(gate_input, gate_metric.metric, found, interval)
        return RuleVerdict(
            self.metric,
            self.operator,
            self.threshold,
            found.value,
            result.status,
            result.detail,
            interval,
            needed_sample_count=result.needed_sample_count,
        )

    def as_document(self) -> dict[str, object]:
        """Return the rule as a JSON document."""
        document = {"metric": self.metric, "operator": self.operator.value, "threshold": self.threshold}
        return with_options(document, confidence=self.confidence, min_sample_count=self.min_sample_count)

    def _result(
        self, gate_input: GateInput, metric: Metric | None, found: Estimate, interval: Interval | None
    ) -> RuleResult:
        value = found.value
        if problem := gate_input.problem:
            return RuleResult(RuleStatus.MISSING, problem)
        if value is None:
            return RuleResult(RuleStatus.MISSING, gate_input.missing_message(self.metric, found.reason))
        if self.confidence is None:
            return self._compare(value, value_text(self.metric, found))
        if interval is None:
            return RuleResult(RuleStatus.MISSING, self._no_interval(found))
        return self._compare_end(metric, value, found, interval, gate_input.measured)

    def _compare(self, number: float, detail: str) -> RuleResult:
        return RuleResult(status_of(self._is_within(number, self.threshold)), f"{detail}; {self._required}")

    def _compare_end(
        self, metric: Metric | None, value: float, found: Estimate, interval: Interval, measured: Measurement | None
    ) -> RuleResult:
        end = interval.lower if self.operator.is_lower_bound else interval.upper
        level, count = f"{self.confidence:.0%}", len(found.members)
        judged = f"the {level} interval of all {count} slices" if count > 1 else f"its {level} interval"
        detail = f"{value_text(self.metric, found)}, and the {self._end_name} end of {judged} {format_number(end)}"
        if found.decisive and found.decisive.title != found.slice:
            detail += f" (that of {found.decisive.title})"
        compared = self._compare(end, detail)
        if compared.status is RuleStatus.PASSED or metric is None or not self._is_within(value, self.threshold):
            return compared
        needed = self._needed(found, metric, value, interval, measured)
        return RuleResult(compared.status, f"{compared.detail}{needed.text}", needed_sample_count=needed.sample_count)

    @cached_property
    def _is_within(self) -> Callable[[float, float], bool]:
        """Whether a number, the first, is within the threshold, the second."""
        return _COMPARISONS[self.operator]

    @property
    def _end_name(self) -> str:
        return "lower" if self.operator.is_lower_bound else "upper"

    @cached_property
    def _required(self) -> str:
        return f"{_WORDS[self.operator]} {format_number(self.threshold)} is required."

    def _no_interval(self, found: Estimate) -> str:
        detail = f"{value_text(self.metric, found)}, without the {self.confidence:.0%} interval that is required."
        return f"{detail} {found.reason}" if found.reason else detail

    def _needed(
        self, found: Estimate, metric: Metric, value: float, interval: Interval, measured: Measurement | None
    ) -> NeededExamples:
        """Return how many examples the rule needs, if more of them help."""
        is_least = self.operator.is_lower_bound
        lower, upper = metric.bounds
        if found.members:
            estimates = [(each.value, each.interval) for each in found.members]
            needed = needed_ratio_of_all(estimates, self.threshold, is_least=is_least, lower=lower, upper=upper)
            ratio, slowest = needed or (None, None)
            condition = "the values of the slices stay the same"
            return needed_examples(measured, ratio, condition, None if slowest is None else found.members[slowest])
        end = interval.lower if is_least else interval.upper
        ratio = needed_ratio(value, end, self.threshold, is_score=follows_score(interval, lower, upper))
        return needed_examples(measured, ratio, value_condition(value, self.threshold))


def _contradicts(required: Operator, metric: Metric, threshold: float) -> bool:
    """Return whether a bound refuses the better values, and accepts worse ones."""
    if metric.direction is Direction.ZERO:
        return threshold > 0 if required.is_lower_bound else threshold < 0
    return required.is_lower_bound != (metric.direction is Direction.HIGHER)
