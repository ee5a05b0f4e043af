"""The interface of the two kinds of rules, and what both need."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from models_registry.api.field_errors import FieldError
from performance.gates.gate_input import GateInput, Operator, RuleStatus, RuleVerdict
from performance.gates.gate_metrics import GateMetric
from performance.gates.measurement import NO_ESTIMATE, Estimate, Measurement
from performance.metrics.statistics.confidence import CONFIDENCE_LEVEL
from performance.metrics.statistics.intervals import Interval


class RuleResult(NamedTuple):
    """The part of a rule's verdict that follows from comparing numbers.

    `operator` and `threshold` are those that a limit on regression implies, and `interval` is that of the difference.
    """

    status: RuleStatus
    detail: str
    operator: Operator | None = None
    threshold: float | None = None
    interval: Interval | None = None
    needed_sample_count: int | None = None


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


def find_estimate(rule: Rule, gate_metric: GateMetric, measured: Measurement | None) -> Estimate:
    """Return the estimate that a rule judges, an empty one if nothing was measured."""
    if measured is None:
        return NO_ESTIMATE
    return measured.estimate(rule.metric, gate_metric.metric, rule.min_sample_count)


def value_text(metric: str, found: Estimate) -> str:
    """Say what the value is, and of several slices in which one."""
    return f"{metric} is {found.text} ({found.slice})" if found.slice else f"{metric} is {found.text}"


def status_of(passed: bool) -> RuleStatus:
    """Return the status of a rule that could be judged."""
    return RuleStatus.PASSED if passed else RuleStatus.FAILED


def common_errors(rule: Rule, gate_metric: GateMetric) -> Iterator[FieldError]:
    """Yield the errors that either kind of rule may have."""
    if rule.min_sample_count is not None and not gate_metric.is_worst_slice:
        yield "min_sample_count", "not_available", "Only a rule for worst_slice.ATTRIBUTE.METRIC may have it."
    if rule.confidence is None:
        return
    if not gate_metric.has_interval:
        yield "confidence", "no_interval", f"{rule.metric} has no confidence interval."
    elif rule.confidence != CONFIDENCE_LEVEL:
        yield "confidence", "out_of_bounds", f"Must be {CONFIDENCE_LEVEL}: the level of the stored intervals."


def with_options(document: Mapping[str, object], **options: object) -> dict[str, object]:
    """Return a document with the options that have a value."""
    return {**document, **{name: value for name, value in options.items() if value is not None}}
