"""The two kinds of rules: a threshold, and a limit on the regression from the promoted version."""

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
from performance.metrics.statistics.intervals import CONFIDENCE_LEVEL, Interval

FieldError = tuple[str, str, str]  # field, code, detail

_COMPARISONS: Mapping[Operator, Callable[[float, float], bool]] = {
    Operator.AT_LEAST: operator.ge,
    Operator.MORE: operator.gt,
    Operator.AT_MOST: operator.le,
    Operator.LESS: operator.lt,
}
_UNROUNDED = Context(prec=2000)  # more digits than sums and products of floats can have
_WORDS = {
    Operator.AT_LEAST: "at least",
    Operator.MORE: "more than",
    Operator.AT_MOST: "at most",
    Operator.LESS: "less than",
}


class Rule(Protocol):
    """The interface of both kinds of rules.

    `confidence` is a level such as 0.95, or `None` to compare point estimates.
    """

    @property
    def metric(self) -> str: ...

    @property
    def confidence(self) -> float | None: ...

    @property
    def key(self) -> tuple[object, ...]:
        """What must differ between two rules of one policy."""

    def errors(self, gate_metric: GateMetric) -> Iterator[FieldError]:
        """Yield `(field, code, detail)` of each error of the rule for this metric."""

    def warning(self, gate_metric: GateMetric) -> str | None:
        """Return a warning about a rule that is valid but unusual."""

    def judge(self, gate_input: GateInput, gate_metric: GateMetric) -> RuleVerdict:
        """Return the result of the rule, which must be valid."""

    def as_document(self) -> dict[str, object]:
        """Return the rule as a JSON document."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A bound on a metric, or with `confidence` on the unfavourable end of its interval."""

    metric: str
    operator: Operator
    threshold: float
    confidence: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """A metric may have one lower and one upper bound, each for the value and for its interval."""
        return self.metric, self.operator.is_lower_bound, self.confidence

    def errors(self, gate_metric: GateMetric) -> Iterator[FieldError]:
        """Yield the errors of the threshold and of the confidence."""
        error = gate_metric.metric.validation_error(self.threshold) if gate_metric.metric else None
        if error:
            yield "threshold", "out_of_bounds", error
        yield from _confidence_errors(self, gate_metric)

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
        value = gate_input.value(self.metric)
        interval = None if self.confidence is None else gate_input.interval(self.metric, self.confidence)
        verdict = partial(RuleVerdict, self.metric, self.operator, self.threshold, value, interval=interval)
        if value is None:
            return verdict(RuleStatus.MISSING, gate_input.missing_message(self.metric))
        if self.confidence is None:
            return verdict(*self._result(value, f"{self.metric} is {format_number(value)}"))
        if interval is None:
            detail = (
                f"{self.metric} is {format_number(value)}, without the {self.confidence:.0%} interval that is required."
            )
            return verdict(RuleStatus.MISSING, detail)
        end, name = (interval.lower, "lower") if self.operator.is_lower_bound else (interval.upper, "upper")
        detail = (
            f"{self.metric} is {format_number(value)}, "
            f"and the {name} end of its {self.confidence:.0%} interval {format_number(end)}"
        )
        return verdict(*self._result(end, detail))

    def as_document(self) -> dict[str, object]:
        """Return the rule as a JSON document."""
        document = {"metric": self.metric, "operator": self.operator.value, "threshold": self.threshold}
        return _with_confidence(document, self.confidence)

    def _result(self, number: float, detail: str) -> tuple[RuleStatus, str]:
        passed = _COMPARISONS[self.operator](number, self.threshold)
        needed = f"{_WORDS[self.operator]} {format_number(self.threshold)} is required"
        return _status(passed), f"{detail}; {needed}."


@dataclass(frozen=True, slots=True)
class Regression:
    """The most that a metric may regress from the promoted version.

    It is in the metric's unit, or if `relative`, a fraction of the promoted value. With `confidence`, the limit applies
    to the unfavourable end of the interval of the difference. Decimals count as written: 0.7 is worse than 0.8 by
    exactly 0.1.
    """

    metric: str
    max_regression: float
    relative: bool = False
    confidence: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """A metric may have one absolute and one relative limit, each for the value and for its interval."""
        return self.metric, "max_regression", self.relative, self.confidence

    def errors(self, gate_metric: GateMetric) -> Iterator[FieldError]:
        """Yield the errors of the limit and of the confidence."""
        metric = gate_metric.metric
        if self.max_regression < 0:
            yield "max_regression", "out_of_bounds", f"Must be 0 or more, not {format_number(self.max_regression)}."
        if metric is None:
            detail = "The direction of a custom metric is unknown. Use `operator` and `threshold`."
            yield "max_regression", "no_direction", detail
        elif not self.relative and self.max_regression > _width(metric):
            detail = f"{self.metric} cannot get worse by more than {format_number(_width(metric))}."
            yield "max_regression", "out_of_bounds", detail
        elif self.relative and self.max_regression > 1 and metric.direction is Direction.HIGHER and metric.lower == 0:
            detail = f"{self.metric} cannot get worse by more than its value: use a fraction below 1, such as 0.05."
            yield "max_regression", "out_of_bounds", detail
        yield from _confidence_errors(self, gate_metric)

    def warning(self, gate_metric: GateMetric) -> None:
        """Return no warning: the direction follows from the metric."""

    def judge(self, gate_input: GateInput, gate_metric: GateMetric) -> RuleVerdict:
        """Return whether the regression is within the limit. It is if there is no baseline to regress from."""
        value, before = gate_input.value(self.metric), gate_input.baseline_value(self.metric)
        verdict = partial(RuleVerdict, self.metric, None, None, value, baseline_value=before)
        if value is None:
            return verdict(RuleStatus.MISSING, gate_input.missing_message(self.metric))
        if gate_input.baseline_version_id is None:
            detail = f"{self.metric} is {format_number(value)}, and no version was promoted before to compare it with."
            return verdict(RuleStatus.PASSED, detail)
        if before is None or gate_metric.metric is None:
            return verdict(RuleStatus.MISSING, gate_input.missing_baseline_message(self.metric))
        if gate_metric.depends_on_averaging and gate_input.differs_in_averaging:
            return verdict(RuleStatus.MISSING, gate_input.averaging_message(self.metric))
        return self._compare(gate_input, gate_metric.metric, value, before)

    def as_document(self) -> dict[str, object]:
        """Return the rule as a JSON document."""
        document = {"metric": self.metric, "max_regression": self.max_regression, "relative": self.relative}
        return _with_confidence(document, self.confidence)

    def _compare(self, gate_input: GateInput, metric: Metric, value: float, before: float) -> RuleVerdict:
        limit = _to_decimal(self.max_regression)
        if self.relative:
            limit = _UNROUNDED.multiply(limit, _to_decimal(abs(before)))
        bound, threshold = _implied_threshold(metric, value, before, limit)
        verdict = partial(RuleVerdict, self.metric, bound, threshold, value, baseline_value=before)
        detail = (
            f"{self.metric} is {format_number(value)}, "
            f"and {format_number(before)} in the promoted {gate_input.baseline_version_id}"
        )
        allowed = f"worse by {_number_text(limit)} is allowed"
        if self.confidence is None:
            worse = _UNROUNDED.subtract(_to_decimal(metric.goodness(before)), _to_decimal(metric.goodness(value)))
            return verdict(_status(worse <= limit), f"{detail}: {_describe_change(worse, 'worse by')}; {allowed}.")
        difference = gate_input.difference(self.metric, self.confidence)
        if difference is None:
            missing = f"without the {self.confidence:.0%} interval of the difference that is required"
            return verdict(RuleStatus.MISSING, f"{detail}, {missing}.")
        worse = _to_decimal(_largest_regression(metric, difference))
        detail = (
            f"{detail}: with {self.confidence:.0%} confidence {_describe_change(worse, 'worse by up to')}; {allowed}."
        )
        return verdict(_status(worse <= limit), detail, interval=difference)


def _status(passed: bool) -> RuleStatus:
    return RuleStatus.PASSED if passed else RuleStatus.FAILED


def _confidence_errors(rule: Rule, gate_metric: GateMetric) -> Iterator[FieldError]:
    if rule.confidence is None:
        return
    if not gate_metric.has_interval:
        yield "confidence", "no_interval", f"{rule.metric} has no confidence interval."
    elif rule.confidence != CONFIDENCE_LEVEL:
        yield "confidence", "out_of_bounds", f"Must be {CONFIDENCE_LEVEL}: the level of the stored intervals."


def _contradicts(required: Operator, metric: Metric, threshold: float) -> bool:
    """Return whether a bound refuses the better values, and accepts worse ones."""
    if metric.direction is Direction.ZERO:
        return threshold > 0 if required.is_lower_bound else threshold < 0
    return required.is_lower_bound != (metric.direction is Direction.HIGHER)


def _width(metric: Metric) -> float:
    if metric.lower is None or metric.upper is None:
        return math.inf
    return metric.upper - metric.lower


def _largest_regression(metric: Metric, difference: Interval) -> float:
    """Return the largest regression that the interval of the difference contains."""
    if metric.direction is Direction.ZERO:  # the magnitude changes by at most the difference
        return max(-difference.lower, difference.upper)
    return -difference.lower if metric.direction is Direction.HIGHER else difference.upper


def _implied_threshold(metric: Metric, value: float, before: float, limit: Decimal) -> tuple[Operator, float | None]:
    """Return the bound on the value that a limit implies.

    For a metric that is best at 0, it is the bound on the value's side of 0.
    """
    worst = _UNROUNDED.subtract(_to_decimal(metric.goodness(before)), limit)
    is_least = metric.direction is Direction.HIGHER or (metric.direction is Direction.ZERO and value < 0)
    return (Operator.AT_LEAST, _to_float(worst)) if is_least else (Operator.AT_MOST, _to_float(_UNROUNDED.minus(worst)))


def _describe_change(worse: Decimal, words: str) -> str:
    return f"{words} {_number_text(worse)}" if worse > 0 else "no worse"


def _number_text(number: Decimal) -> str:
    converted = _to_float(number)
    return "more than a double can hold" if converted is None else format_number(converted)


@lru_cache(maxsize=256)  # many rules use the same number
def _to_decimal(number: float) -> Decimal:
    """Return the decimal that a float is written as, so that differences are those of the written numbers."""
    return Decimal(repr(float(number) + 0.0))


def _to_float(number: Decimal) -> float | None:
    """Return the nearest float, `None` if the number is too large for one."""
    converted = float(number)
    return converted if math.isfinite(converted) else None


def _with_confidence(document: Mapping[str, object], confidence: float | None) -> dict[str, object]:
    return {**document} if confidence is None else {**document, "confidence": confidence}
