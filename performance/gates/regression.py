"""Rules that limit the regression of a metric from another version."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cached_property

from models_registry.api.field_errors import FieldError
from models_registry.task_types.base import Direction, Metric
from performance.gates.gate_input import Baseline, Comparability, GateInput, Operator, RuleStatus, RuleVerdict
from performance.gates.gate_metrics import GateMetric
from performance.gates.measurement import Estimate, Measurement, format_number
from performance.gates.needed_examples import needed_examples
from performance.gates.rules import (
    RuleResult,
    common_errors,
    find_estimate,
    status_of,
    value_text,
    with_options,
)
from performance.metrics.comparison import describe_options
from performance.metrics.paired.matrices import PAIRED_WILSON
from performance.metrics.paired.sample_sizes import needed_ratio_for_limit
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.simultaneous import needed_ratio

PROMOTED, BEST = "promoted", "best"  # what a limit on regression may be against, beside the id of a version

_HIGHER, _LOWER, _ZERO = Direction.HIGHER, Direction.LOWER, Direction.ZERO  # as looking them up takes long
_UNROUNDED = Context(prec=2000)  # more digits than sums and products of floats can have
ROUNDING = 1e-12  # of a value, in sums of a hundred million doubles
_SAME_DATASET = {
    True: "Both were measured on the same examples.",
    False: "They were measured on different examples, weights or groups.",
    None: "Whether both were measured on the same examples is unknown.",
}


@dataclass(frozen=True)
class Regression:
    """The most that a metric may regress from the promoted version, or from what `against` names.

    It is in the metric's unit, or if `relative`, a fraction of the size of the other version's value. With
    `confidence`, the limit applies to the unfavourable end of the interval of the difference, and if less is better, a
    relative one is a fraction of the lower end of the other value's interval. Decimals count as written: 0.7 is worse
    than 0.8 by exactly 0.1. `against` is `promoted`, `best` or the id of a version; `None` is the policy's choice.
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
        yield from common_errors(self, gate_metric)

    def warning(self, gate_metric: GateMetric) -> None:
        """Return no warning: the direction follows from the metric."""

    def judge(self, gate_input: GateInput, gate_metric: GateMetric) -> RuleVerdict:
        """Return whether the regression is within the limit. It is if there is no baseline to regress from."""
        baseline = gate_input.baseline_of(self)
        found = find_estimate(self, gate_metric, gate_input.measured)
        known = find_estimate(self, gate_metric, baseline.measured)
        comparability = gate_input.comparability(baseline)
        result = self._result(gate_input, gate_metric, baseline, found, known, comparability)
        return RuleVerdict(
            self.metric,
            result.operator,
            result.threshold,
            found.value,
            result.status,
            result.detail,
            result.interval,
            known.value,
            baseline.version_id,
            comparability.same_dataset,
            result.needed_sample_count,
        )

    def as_document(self) -> dict[str, object]:
        """Return the rule as a JSON document."""
        document = {"metric": self.metric, "max_regression": self.max_regression, "relative": self.relative}
        return with_options(
            document, confidence=self.confidence, against=self.against, min_sample_count=self.min_sample_count
        )

    def _result(
        self,
        gate_input: GateInput,
        gate_metric: GateMetric,
        baseline: Baseline,
        found: Estimate,
        known: Estimate,
        comparability: Comparability,
    ) -> RuleResult:
        value, before, metric = found.value, known.value, gate_metric.metric
        if problem := gate_input.problem:
            return RuleResult(RuleStatus.MISSING, problem)
        if value is None:
            return RuleResult(RuleStatus.MISSING, gate_input.missing_message(self.metric, found.reason))
        if baseline.version_id is None:
            detail = f"{value_text(self.metric, found)}, and no version was promoted before to compare it with."
            return RuleResult(RuleStatus.PASSED, detail)
        if before is None or metric is None:
            detail = gate_input.missing_baseline_message(baseline, self.metric, known.reason)
            return RuleResult(RuleStatus.MISSING, detail)
        if comparability.problem:
            return RuleResult(RuleStatus.MISSING, comparability.problem)
        if not comparability.differing_options.isdisjoint(gate_metric.depends_on):
            return RuleResult(RuleStatus.MISSING, _options_problem(self, gate_metric, gate_input, baseline))
        change = _Change(metric, found.text, known.text, of_same_examples=comparability.same_dataset is True)
        text = _comparability_text(comparability, gate_metric)
        return self._compare(change, baseline, found, known, text, gate_input.measured)

    def _compare(
        self,
        change: "_Change",
        baseline: Baseline,
        found: Estimate,
        known: Estimate,
        comparability: str,
        measured: Measurement | None,
    ) -> RuleResult:
        detail = f"{value_text(self.metric, found)}, and {known.text} in {baseline.title}"
        limit, derivation = self._limit, ""
        if self.relative:
            base, source = self._relative_base(change, known)
            limit = _UNROUNDED.multiply(limit, base)
            derivation = f" ({_number_text(self._limit)} times {_number_text(base)}, {source} in {baseline.title})"
        operator, threshold = change.implied_threshold(limit)
        allowed = f"worse by {_number_text(limit)}{derivation} is allowed. {comparability}"
        if self.confidence is None:
            detail = f"{detail}: {_describe_change(change.worse, 'worse by')}; {allowed}"
            return RuleResult(status_of(change.worse <= limit), detail, operator, threshold)
        difference = baseline.difference(self.metric, self.confidence)
        if difference is None:
            detail += f", without the {self.confidence:.0%} interval of the difference that is required."
            detail += _why_without_interval(found, known, baseline.title)
            return RuleResult(RuleStatus.MISSING, detail, operator, threshold)
        ends = [each.usable_interval(self.confidence) for each in (found, known)]
        worst = _to_decimal(_largest_regression(change.direction, difference, *ends))
        detail = (
            f"{detail}: with {self.confidence:.0%} confidence {_describe_change(worst, 'worse by up to')}; {allowed}"
        )
        if worst <= limit:
            return RuleResult(RuleStatus.PASSED, detail, operator, threshold, difference)
        ratio = change.needed_ratio(worst, limit, difference, measured)
        needed = needed_examples(measured, ratio, "the difference stays the same")
        return RuleResult(RuleStatus.FAILED, detail + needed.text, operator, threshold, difference, needed.sample_count)

    def _relative_base(self, change: "_Change", known: Estimate) -> tuple[Decimal, str]:
        """Return what a relative limit is a fraction of, and what that is: the size of the other version's value.

        That value is as uncertain as the judged one. If less is better, a chance excess of it would raise the limit as
        much as it lowers the difference, so with confidence it is the lower end of its interval.
        """
        interval = known.usable_interval(self.confidence) if change.direction is _LOWER else None
        if interval is None:
            return abs(change.before), "the value" if change.before >= 0 else "the size of the value"
        return _to_decimal(max(interval.lower, 0.0)), f"the lower end of the {interval.level:.0%} interval"

    @cached_property
    def _limit(self) -> Decimal:
        return _to_decimal(self.max_regression)


class _Change:
    """The change of a metric from its value in a baseline, without rounding. `worse` is by how much it got worse.

    It is made of texts: decimals count as they are written. Only the last digits of what was computed from the same
    examples do not count, as sums of doubles depend on the order of rows.
    """

    def __init__(self, metric: Metric, value: str, before: str, *, of_same_examples: bool) -> None:
        self.direction, self.value, self.before = metric.direction, Decimal(value), Decimal(before)
        if self.direction is _HIGHER:
            self.worse = _UNROUNDED.subtract(self.before, self.value)
        elif self.direction is _LOWER:
            self.worse = _UNROUNDED.subtract(self.value, self.before)
        else:
            self.worse = _UNROUNDED.subtract(abs(self.value), abs(self.before))
        if of_same_examples and _differ_by_rounding(metric, float(self.value), float(self.before)):
            self.worse = min(self.worse, Decimal(0))

    def implied_threshold(self, limit: Decimal) -> tuple[Operator, float | None]:
        """Return the bound on the value that a limit implies.

        For a metric that is best at 0, it is the bound on the value's side of 0.
        """
        if self.direction is _HIGHER:
            return Operator.AT_LEAST, _to_float(_UNROUNDED.subtract(self.before, limit))
        if self.direction is _LOWER:
            return Operator.AT_MOST, _to_float(_UNROUNDED.add(self.before, limit))
        most = _UNROUNDED.add(abs(self.before), limit)
        if self.value < 0:
            return Operator.AT_LEAST, _to_float(_UNROUNDED.minus(most))
        return Operator.AT_MOST, _to_float(most)

    def needed_ratio(
        self, worst: Decimal, limit: Decimal, difference: Interval, measured: Measurement | None
    ) -> float | None:
        """Return how many times as many examples would put the unfavourable end of the interval onto the limit."""
        if self.direction is _ZERO:
            return None  # the largest change of a magnitude is not an end of an interval around the change
        size = measured.effective_sample_size if measured else None
        if difference.method == PAIRED_WILSON and size:
            exact = needed_ratio_for_limit(-float(self.worse), difference.lower, float(limit), size)
            if exact is not None:
                return exact
        return needed_ratio(float(self.worse), float(worst), float(limit))


def _differ_by_rounding(metric: Metric, value: float, before: float) -> bool:
    """Return whether two values may be of the same rows in another order.

    What is at most 1 may be the difference of larger numbers, so its size does not say how it was rounded.
    """
    return math.isclose(value, before, rel_tol=ROUNDING, abs_tol=ROUNDING if metric.upper == 1 else 0.0)


def _options_problem(rule: Regression, gate_metric: GateMetric, gate_input: GateInput, baseline: Baseline) -> str:
    """Return how the metric was computed otherwise than the baseline's."""
    measured = filter(None, (gate_input.measured, baseline.measured))
    ours, theirs = (describe_options(each.metrics.options, gate_metric.depends_on) for each in measured)
    return (
        f"{rule.metric} of {gate_input.version_id} is computed {ours}, and that of {baseline.title} {theirs}: they are "
        "not comparable."
    )


def _comparability_text(comparability: Comparability, gate_metric: GateMetric) -> str:
    """Say whether both values are of the same examples, and which options of one of both are unknown."""
    unknown = [each.replace("_", " ") for each in gate_metric.depends_on if each in comparability.unknown_options]
    same_dataset = _SAME_DATASET[comparability.same_dataset]
    if not unknown:
        return same_dataset
    return f"{same_dataset} Whether both were evaluated with the same {' and '.join(unknown)} is unknown."


def _why_without_interval(found: Estimate, known: Estimate, title: str) -> str:
    """Say why the difference has no interval, if a value has none, and the reason is known."""
    if found.interval is None and found.reason:
        return f" {found.reason}"
    return f" Of {title}: {known.reason}" if known.interval is None and known.reason else ""


def _width(metric: Metric) -> float:
    if metric.lower is None or metric.upper is None:
        return math.inf
    return metric.upper - metric.lower


def _largest_regression(
    direction: Direction, difference: Interval, now: Interval | None, before: Interval | None
) -> float:
    """Return the largest regression that the intervals of the difference and of both values contain."""
    if direction is _HIGHER:
        return -difference.lower
    if direction is _LOWER:
        return difference.upper
    if now is None or before is None or abs(before.lower + before.upper) < 2 * (before.upper - before.lower):
        return max(-difference.lower, difference.upper)  # a magnitude changes by at most the difference
    # The baseline is so far from 0 that its sign is known. On its side the magnitude grows by the difference, and on
    # the other side by the sum of both values, whose margin is at most the sum of both margins.
    if before.lower > 0:
        return max(difference.upper, -(now.lower + before.lower))
    return max(-difference.lower, now.upper + before.upper)


def _describe_change(worse: Decimal, words: str) -> str:
    return f"{words} {_number_text(worse)}" if worse > 0 else "no worse"


def _number_text(number: Decimal) -> str:
    converted = _to_float(number)
    return "more than a double can hold" if converted is None else format_number(converted)


def _to_decimal(number: float) -> Decimal:
    """Return the decimal that a float is written as, so that differences are those of the written numbers."""
    return Decimal(repr(float(number) + 0.0))


def _to_float(number: Decimal) -> float | None:
    """Return the nearest float, `None` if the number is too large for one."""
    converted = float(number)
    return converted if math.isfinite(converted) else None
