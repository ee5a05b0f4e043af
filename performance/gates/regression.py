"""Rules that limit the regression of a metric from another version."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache, partial

from models_registry.task_types.base import Direction, Metric
from performance.gates.gate_input import Baseline, GateInput, Operator, RuleStatus, RuleVerdict, format_number
from performance.gates.gate_metrics import GateMetric
from performance.gates.measurement import Estimate, Measurement
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
from performance.metrics.comparison import describe_options
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.simultaneous import needed_ratio

PROMOTED, BEST = "promoted", "best"  # what a limit on regression may be against, beside the id of a version

_UNROUNDED = Context(prec=2000)  # more digits than sums and products of floats can have
_SAME_DATASET = {
    True: "Both were measured on the same examples.",
    False: "They were measured on different examples.",
    None: "Whether both were measured on the same examples is unknown.",
}


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
        yield from common_errors(self, gate_metric)

    def warning(self, gate_metric: GateMetric) -> None:
        """Return no warning: the direction follows from the metric."""

    def judge(self, gate_input: GateInput, gate_metric: GateMetric) -> RuleVerdict:
        """Return whether the regression is within the limit. It is if there is no baseline to regress from."""
        baseline = gate_input.baseline_of(self)
        found = find_estimate(self, gate_metric, gate_input.measured)
        known = find_estimate(self, gate_metric, baseline.measured)
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
            detail = f"{value_text(self.metric, value, found)}, and no version was promoted before to compare it with."
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
        return with_options(
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
        detail = f"{value_text(self.metric, value, found)}, and {format_number(before)} in {baseline.title}"
        allowed = f"worse by {_number_text(limit)} is allowed. {_SAME_DATASET[verdict.keywords['same_dataset']]}"
        worse = _UNROUNDED.subtract(_to_decimal(metric.goodness(before)), _to_decimal(metric.goodness(value)))
        if self.confidence is None:
            detail = f"{detail}: {_describe_change(worse, 'worse by')}; {allowed}"
            return verdict(status=status_of(worse <= limit), detail=detail)
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
        needed = scaled_count(found.sample_count, ratio)
        detail += needed_text(needed)
        return verdict(status=RuleStatus.FAILED, detail=detail, interval=difference, needed_sample_count=needed)


def _same_dataset(measured: Measurement | None, baseline: Measurement | None) -> bool | None:
    """Return whether both are of the same examples, `None` if that is unknown."""
    return None if measured is None or baseline is None else measured.has_same_examples(baseline)


def _options_problem(
    rule: Regression, gate_metric: GateMetric, gate_input: GateInput, baseline: Baseline
) -> str | None:
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
