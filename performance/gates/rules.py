"""The two kinds of rules: a threshold, and a limit on how much worse than the promoted version a metric may be."""

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache, partial
from typing import Protocol

from models_registry.task_types.base import Direction, Metric
from performance.gates.gate_input import GateInput, Operator, RuleStatus, RuleVerdict, format_number
from performance.gates.gate_metrics import GateMetric
from performance.metrics.statistics.intervals import LEVEL, Interval

Fault = tuple[str, str, str]

_HOLDS: Mapping[Operator, Callable[[float, float], bool]] = {
    Operator.AT_LEAST: operator.ge,
    Operator.MORE: operator.gt,
    Operator.AT_MOST: operator.le,
    Operator.LESS: operator.lt,
}
_UNROUNDED = Context(prec=2000)  # more digits than sums and products of doubles can have
_WORDS = {
    Operator.AT_LEAST: "at least",
    Operator.MORE: "more than",
    Operator.AT_MOST: "at most",
    Operator.LESS: "less than",
}


class Rule(Protocol):
    """What both kinds of rules can do. `confidence` is a level such as 0.95, or `None` to judge by the point."""

    @property
    def metric(self) -> str: ...

    @property
    def confidence(self) -> float | None: ...

    @property
    def key(self) -> tuple[object, ...]:
        """What two rules of one policy must not have in common."""

    def faults(self, quantity: GateMetric) -> Iterator[Fault]:
        """Yield `(field, code, detail)` of what this quantity does not allow."""

    def warning(self, quantity: GateMetric) -> str | None:
        """Say what is odd about the rule, though allowed."""

    def judge(self, case: GateInput, quantity: GateMetric) -> RuleVerdict:
        """Return what becomes of the rule, which is without faults."""

    def as_document(self) -> dict[str, object]:
        """Return the rule as JSON has it."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A bound that a metric must keep, or with `confidence` the unfavourable end of its interval."""

    metric: str
    operator: Operator
    threshold: float
    confidence: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """One bound of a metric from each side, by point and by interval."""
        return self.metric, self.operator.from_below, self.confidence

    def faults(self, quantity: GateMetric) -> Iterator[Fault]:
        """Yield what is wrong with the threshold, or with asking for confidence."""
        fault = quantity.metric.fault(self.threshold) if quantity.metric else None
        if fault:
            yield "threshold", "out_of_bounds", fault
        yield from _faults_of_confidence(self, quantity)

    def warning(self, quantity: GateMetric) -> str | None:
        """Say that the operator contradicts the metric's direction."""
        if quantity.metric is None or not _contradicts(self.operator, quantity.metric, self.threshold):
            return None
        return (
            f"{self.metric} {self.operator} {format_number(self.threshold)} lets worse values pass: "
            f"{quantity.metric.direction} is better."
        )

    def judge(self, case: GateInput, quantity: GateMetric) -> RuleVerdict:
        """Return whether the bound is kept."""
        value = case.value(self.metric)
        interval = None if self.confidence is None else case.interval(self.metric, self.confidence)
        verdict = partial(RuleVerdict, self.metric, self.operator, self.threshold, value, interval=interval)
        if value is None:
            return verdict(RuleStatus.MISSING, case.lacking(self.metric))
        if self.confidence is None:
            return verdict(*self._held(value, f"{self.metric} is {format_number(value)}"))
        if interval is None:
            detail = (
                f"{self.metric} is {format_number(value)}, "
                f"without the {self.confidence:.0%} interval that is asked for."
            )
            return verdict(RuleStatus.MISSING, detail)
        end, name = (interval.lower, "lower") if self.operator.from_below else (interval.upper, "upper")
        detail = (
            f"{self.metric} is {format_number(value)}, "
            f"and the {name} end of its {self.confidence:.0%} interval {format_number(end)}"
        )
        return verdict(*self._held(end, detail))

    def as_document(self) -> dict[str, object]:
        """Return the rule as JSON has it."""
        document = {"metric": self.metric, "operator": self.operator.value, "threshold": self.threshold}
        return _with_confidence(document, self.confidence)

    def _held(self, number: float, told: str) -> tuple[RuleStatus, str]:
        passed = _HOLDS[self.operator](number, self.threshold)
        needed = f"{_WORDS[self.operator]} {format_number(self.threshold)} is asked"
        return _status(passed), f"{told}; {needed}."


@dataclass(frozen=True, slots=True)
class Regression:
    """How much worse than the promoted version a metric may be: in its unit, or as a fraction of the value there.

    With `confidence` the unfavourable end of the interval of the difference must keep the limit. Decimals count as they
    are written: from 0.8, 0.7 is worse by 0.1 and no more.
    """

    metric: str
    max_regression: float
    relative: bool = False
    confidence: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """One limit of a metric of each kind."""
        return self.metric, "max_regression", self.relative, self.confidence

    def faults(self, quantity: GateMetric) -> Iterator[Fault]:
        """Yield what is wrong with the limit, or with asking for confidence."""
        metric = quantity.metric
        if self.max_regression < 0:
            yield "max_regression", "out_of_bounds", f"Must be 0 or more, not {format_number(self.max_regression)}."
        if metric is None:
            told = "Of a custom metric it is not known which way is worse. Use `operator` and `threshold`."
            yield "max_regression", "no_direction", told
        elif not self.relative and self.max_regression > _range(metric):
            told = f"{self.metric} cannot get worse by more than {format_number(_range(metric))}."
            yield "max_regression", "out_of_bounds", told
        elif self.relative and self.max_regression > 1 and metric.direction is Direction.HIGHER and metric.lower == 0:
            told = f"{self.metric} cannot get worse by more than all of it: give a fraction below 1, such as 0.05."
            yield "max_regression", "out_of_bounds", told
        yield from _faults_of_confidence(self, quantity)

    def warning(self, quantity: GateMetric) -> None:
        """Say nothing: which way is worse follows from the metric."""

    def judge(self, case: GateInput, quantity: GateMetric) -> RuleVerdict:
        """Return whether the limit is kept. It is without a baseline; what is there to be worse than?"""
        value, before = case.value(self.metric), case.baseline_value(self.metric)
        verdict = partial(RuleVerdict, self.metric, None, None, value, baseline_value=before)
        if value is None:
            return verdict(RuleStatus.MISSING, case.lacking(self.metric))
        if case.baseline_version_id is None:
            told = "no version was promoted before this one that it could be worse than"
            return verdict(RuleStatus.PASSED, f"{self.metric} is {format_number(value)}, and {told}.")
        if before is None or quantity.metric is None:
            return verdict(RuleStatus.MISSING, case.baseline_lacking(self.metric))
        if quantity.depends_on_choices and case.is_taken_unlike:
            return verdict(RuleStatus.MISSING, case.unlike(self.metric))
        return self._compared(case, quantity.metric, value, before)

    def as_document(self) -> dict[str, object]:
        """Return the rule as JSON has it."""
        document = {"metric": self.metric, "max_regression": self.max_regression, "relative": self.relative}
        return _with_confidence(document, self.confidence)

    def _compared(self, case: GateInput, metric: Metric, value: float, before: float) -> RuleVerdict:
        limit = _exact(self.max_regression)
        if self.relative:
            limit = _UNROUNDED.multiply(limit, _exact(abs(before)))
        bound, threshold = _bound(metric, value, before, limit)
        verdict = partial(RuleVerdict, self.metric, bound, threshold, value, baseline_value=before)
        told = (
            f"{self.metric} is {format_number(value)}, "
            f"and {format_number(before)} in the promoted {case.baseline_version_id}"
        )
        allowed = f"worse by {_number_text(limit)} is allowed"
        if self.confidence is None:
            worse = _UNROUNDED.subtract(_exact(metric.goodness(before)), _exact(metric.goodness(value)))
            return verdict(_status(worse <= limit), f"{told}: {_change(worse, 'worse by')}; {allowed}.")
        difference = case.difference(self.metric, self.confidence)
        if difference is None:
            lacking = f"without the {self.confidence:.0%} interval of the difference that is asked for"
            return verdict(RuleStatus.MISSING, f"{told}, {lacking}.")
        worse = _exact(_worst(metric, difference))
        told = f"{told}: with {self.confidence:.0%} confidence {_change(worse, 'worse by up to')}; {allowed}."
        return verdict(_status(worse <= limit), told, interval=difference)


def _status(passed: bool) -> RuleStatus:
    return RuleStatus.PASSED if passed else RuleStatus.FAILED


def _faults_of_confidence(rule: Rule, quantity: GateMetric) -> Iterator[Fault]:
    if rule.confidence is None:
        return
    if not quantity.has_interval:
        yield "confidence", "no_interval", f"No confidence interval is kept of {rule.metric}."
    elif rule.confidence != LEVEL:
        yield "confidence", "out_of_bounds", f"Must be {LEVEL}: the level of the intervals that are kept."


def _contradicts(asked: Operator, metric: Metric, threshold: float) -> bool:
    """Say whether a bound keeps the better values out, and lets worse ones pass."""
    if metric.direction is Direction.ZERO:
        return threshold > 0 if asked.from_below else threshold < 0
    return asked.from_below != (metric.direction is Direction.HIGHER)


def _range(metric: Metric) -> float:
    if metric.lower is None or metric.upper is None:
        return math.inf
    return metric.upper - metric.lower


def _worst(metric: Metric, difference: Interval) -> float:
    """Return by how much worse a metric is at most, when its difference from the baseline's is in an interval."""
    if metric.direction is Direction.ZERO:  # whose magnitude differs by no more than it does itself
        return max(-difference.lower, difference.upper)
    return -difference.lower if metric.direction is Direction.HIGHER else difference.upper


def _bound(metric: Metric, value: float, before: float, limit: Decimal) -> tuple[Operator, float | None]:
    """Return what the value must be to keep a limit; of a metric that is best at 0, on its own side of that."""
    worst = _UNROUNDED.subtract(_exact(metric.goodness(before)), limit)
    is_least = metric.direction is Direction.HIGHER or (metric.direction is Direction.ZERO and value < 0)
    return (Operator.AT_LEAST, _double(worst)) if is_least else (Operator.AT_MOST, _double(_UNROUNDED.minus(worst)))


def _change(worse: Decimal, words: str) -> str:
    return f"{words} {_number_text(worse)}" if worse > 0 else "no worse"


def _number_text(number: Decimal) -> str:
    double = _double(number)
    return "more than a double can hold" if double is None else format_number(double)


@lru_cache(maxsize=256)  # as one number comes up in rule after rule
def _exact(number: float) -> Decimal:
    """Return the decimal that stands for a double, so that differences are those of what people read."""
    return Decimal(repr(float(number) + 0.0))


def _double(number: Decimal) -> float | None:
    """Return the nearest double, `None` past the largest."""
    double = float(number)
    return double if math.isfinite(double) else None


def _with_confidence(document: Mapping[str, object], confidence: float | None) -> dict[str, object]:
    return {**document} if confidence is None else {**document, "confidence": confidence}
