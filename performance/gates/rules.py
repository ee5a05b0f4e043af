"""The two kinds of rules: a threshold, and a limit on the regression from another version."""

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache, partial
from typing import Protocol

from models_registry.task_types.base import Direction, Metric
from performance.gates.gate_input import Baseline, GateInput, Operator, RuleStatus, RuleVerdict, format_number
from performance.gates.gate_metrics import GateMetric
from performance.gates.measurement import Estimate, Measurement
from performance.metrics.comparison import describe_options
from performance.metrics.statistics.intervals import CONFIDENCE_LEVEL, Interval
from performance.metrics.statistics.simultaneous import needed_ratio

PROMOTED, BEST = "promoted", "best"  # what a limit on regression may be against, beside the id of a version

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

    `confidence` is a level such as 0.95, or `None` to compare point estimates. `min_sample_count` is the number of
    examples that a slice needs to count for the worst slice.
    """

    @property
    def metric(self) -> str: ...

    @property
    def confidence(self) -> float | None: ...

    @property
    def min_sample_count(self) -> int | None: ...

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
        yield from _common_errors(self, gate_metric)

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
        found = _estimate(self, gate_metric, gate_input.measured)
        value, interval = found.value, found.usable_interval(self.confidence)
        verdict = partial(RuleVerdict, self.metric, self.operator, self.threshold, value, interval=interval)
        if problem := gate_input.problem:
            return verdict(RuleStatus.MISSING, problem)
        if value is None:
            return verdict(RuleStatus.MISSING, gate_input.missing_message(self.metric, found.reason))
        if self.confidence is None:
            return verdict(*self._result(value, _value_text(self.metric, value, found)))
        if interval is None:
            return verdict(RuleStatus.MISSING, self._no_interval(value, found))
        end, name = (interval.lower, "lower") if self.operator.is_lower_bound else (interval.upper, "upper")
        detail = (
            f"{_value_text(self.metric, value, found)}, "
            f"and the {name} end of its {self.confidence:.0%} interval {format_number(end)}"
        )
        status, detail = self._result(end, detail)
        needed = self._needed_sample_count(found, interval, end) if status is RuleStatus.FAILED else None
        return verdict(status, f"{detail}{_needed_text(needed)}", needed_sample_count=needed)

    def as_document(self) -> dict[str, object]:
        """Return the rule as a JSON document."""
        document = {"metric": self.metric, "operator": self.operator.value, "threshold": self.threshold}
        return _with_options(document, confidence=self.confidence, min_sample_count=self.min_sample_count)

    def _no_interval(self, value: float, found: Estimate) -> str:
        detail = (
            f"{_value_text(self.metric, value, found)}, without the {self.confidence:.0%} interval that is required."
        )
        return f"{detail} {found.reason}" if found.reason else detail

    def _needed_sample_count(self, found: Estimate, interval: Interval, end: float) -> int | None:
        value = found.value
        if value is None or not _COMPARISONS[self.operator](value, self.threshold):
            return None
        return _scale(
            found.sample_count, needed_ratio(value, end, self.threshold, is_score=interval.method == "wilson")
        )

    def _result(self, number: float, detail: str) -> tuple[RuleStatus, str]:
        passed = _COMPARISONS[self.operator](number, self.threshold)
        needed = f"{_WORDS[self.operator]} {format_number(self.threshold)} is required"
        return _status(passed), f"{detail}; {needed}."


@dataclass(frozen=True, slots=True)
class Regression:
    """The most that a metric may regress from the promoted version, or from what `against` names.

    It is in the metric's unit, or if `relative`, a fraction of the other version's value. With `confidence`, the limit
    applies to the unfavourable end of the interval of the difference. Decimals count as written: 0.7 is worse than 0.8
    by exactly 0.1. `against` is `promoted`, `best` or the id of a version; `None` is the policy's choice.
    """

    metric: str
    max_regression: float
    relative: bool = False
    confidence: float | None = None
    against: str | None = None
    min_sample_count: int | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """A metric may have one absolute and one relative limit against a version, for the value and the interval."""
        return self.metric, "max_regression", self.relative, self.confidence, self.against, self.min_sample_count

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
        if gate_metric.is_worst_slice and self.confidence is not None:
            yield "confidence", "no_interval", "The difference of two worst slices has no confidence interval."
        yield from _common_errors(self, gate_metric)

    def warning(self, gate_metric: GateMetric) -> None:
        """Return no warning: the direction follows from the metric."""

    def judge(self, gate_input: GateInput, gate_metric: GateMetric) -> RuleVerdict:
        """Return whether the regression is within the limit. It is if there is no baseline to regress from."""
        baseline = gate_input.baseline_of(self)
        found = _estimate(self, gate_metric, gate_input.measured)
        known = _estimate(self, gate_metric, baseline.measured)
        value, before = found.value, known.value
        verdict = partial(
            RuleVerdict,
            metric=self.metric,
            operator=None,
            threshold=None,
            value=value,
            baseline_value=before,
            baseline_version_id=baseline.version_id,
            same_dataset=_same_dataset(gate_input.measured, baseline.measured),
        )
        if problem := gate_input.problem:
            return verdict(status=RuleStatus.MISSING, detail=problem)
        if value is None:
            return verdict(status=RuleStatus.MISSING, detail=gate_input.missing_message(self.metric, found.reason))
        if baseline.version_id is None:
            detail = f"{_value_text(self.metric, value, found)}, and no version was promoted before to compare it with."
            return verdict(status=RuleStatus.PASSED, detail=detail)
        if before is None or gate_metric.metric is None:
            detail = gate_input.missing_baseline_message(baseline, self.metric, known.reason)
            return verdict(status=RuleStatus.MISSING, detail=detail)
        problem = gate_input.baseline_problem(baseline) or _options_problem(self, gate_metric, gate_input, baseline)
        if problem:
            return verdict(status=RuleStatus.MISSING, detail=problem)
        return self._compare(baseline, gate_metric.metric, value, before, verdict, found)

    def as_document(self) -> dict[str, object]:
        """Return the rule as a JSON document."""
        document = {"metric": self.metric, "max_regression": self.max_regression, "relative": self.relative}
        return _with_options(
            document, confidence=self.confidence, against=self.against, min_sample_count=self.min_sample_count
        )

    def _compare(
        self,
        baseline: Baseline,
        metric: Metric,
        value: float,
        before: float,
        verdict: "partial[RuleVerdict]",
        found: Estimate,
    ) -> RuleVerdict:
        limit = _to_decimal(self.max_regression)
        if self.relative:
            limit = _UNROUNDED.multiply(limit, _to_decimal(abs(before)))
        bound, threshold = _implied_threshold(metric, value, before, limit)
        verdict = partial(verdict, operator=bound, threshold=threshold)
        detail = f"{_value_text(self.metric, value, found)}, and {format_number(before)} in {baseline.title}"
        allowed = f"worse by {_number_text(limit)} is allowed. {_SAME_DATASET[verdict.keywords['same_dataset']]}"
        worse = _UNROUNDED.subtract(_to_decimal(metric.goodness(before)), _to_decimal(metric.goodness(value)))
        if self.confidence is None:
            detail = f"{detail}: {_describe_change(worse, 'worse by')}; {allowed}"
            return verdict(status=_status(worse <= limit), detail=detail)
        difference = baseline.difference(self.metric, self.confidence)
        if difference is None:
            missing = f"without the {self.confidence:.0%} interval of the difference that is required"
            return verdict(status=RuleStatus.MISSING, detail=f"{detail}, {missing}.")
        worst = _to_decimal(_largest_regression(metric, difference))
        detail = (
            f"{detail}: with {self.confidence:.0%} confidence {_describe_change(worst, 'worse by up to')}; {allowed}"
        )
        if worst <= limit:
            return verdict(status=RuleStatus.PASSED, detail=detail, interval=difference)
        # The largest change of a magnitude is not an end of an interval around the change.
        is_plain = metric.direction is not Direction.ZERO
        ratio = needed_ratio(float(worse), float(worst), float(limit)) if is_plain else None
        needed = _scale(found.sample_count, ratio)
        detail += _needed_text(needed)
        return verdict(status=RuleStatus.FAILED, detail=detail, interval=difference, needed_sample_count=needed)


_SAME_DATASET = {
    True: "Both were measured on the same examples.",
    False: "They were measured on different examples.",
    None: "Whether both were measured on the same examples is unknown.",
}


def _estimate(rule: Rule, gate_metric: GateMetric, measured: Measurement | None) -> Estimate:
    if measured is None:
        return Estimate(None)
    return measured.estimate(rule.metric, gate_metric.metric, rule.min_sample_count)


def _value_text(metric: str, value: float, found: Estimate) -> str:
    """Say what the value is, and of several slices in which one."""
    return f"{metric} is {format_number(value)}{f' ({found.slice})' if found.slice else ''}"


def _same_dataset(measured: Measurement | None, baseline: Measurement | None) -> bool | None:
    """Return whether both are of the same examples, `None` if that is unknown."""
    return None if measured is None or baseline is None else measured.has_same_examples(baseline)


def _options_problem(rule: Rule, gate_metric: GateMetric, gate_input: GateInput, baseline: Baseline) -> str | None:
    """Return how the metric was computed otherwise than the baseline's, `None` if it was not."""
    measured, before = gate_input.measured, baseline.measured
    names = gate_metric.depends_on
    if measured is None or before is None or not measured.metrics.differing_options(before.metrics, names):
        return None
    ours, theirs = (describe_options(each.metrics.options, names) for each in (measured, before))
    return (
        f"{rule.metric} of {gate_input.version_id} is computed {ours}, and that of {baseline.title} {theirs}: they are "
        "not comparable."
    )


def _scale(sample_count: int | None, ratio: float | None) -> int | None:
    """Return the number of examples that a multiple of them needs at least."""
    return None if sample_count is None or ratio is None else math.floor(sample_count * ratio) + 1


def _needed_text(needed: int | None) -> str:
    return "" if needed is None else f" About {needed} examples would be needed to decide at this margin."


def _status(passed: bool) -> RuleStatus:
    return RuleStatus.PASSED if passed else RuleStatus.FAILED


def _common_errors(rule: Rule, gate_metric: GateMetric) -> Iterator[FieldError]:
    if rule.min_sample_count is not None and not gate_metric.is_worst_slice:
        yield "min_sample_count", "not_available", "Only a rule for worst_slice.ATTRIBUTE.METRIC may have it."
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


def _with_options(document: Mapping[str, object], **options: object) -> dict[str, object]:
    return {**document, **{name: value for name, value in options.items() if value is not None}}
