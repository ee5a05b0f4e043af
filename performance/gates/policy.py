"""Parse policies from JSON, reporting every error, and validate them for a task type."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from models_registry.api.field_errors import FieldError, error_texts
from models_registry.task_types.base import TaskType
from performance.gates.gate_input import Operator
from performance.gates.gate_metrics import (
    COMPUTED_QUANTITIES,
    QUANTITIES,
    TRAIN_OVERLAP,
    GateMetric,
    find_gate_metric,
    per_class_names,
)
from performance.gates.measurement import COMPUTED, SLICE, WORST_SLICE, SliceName, parse_slice_name
from performance.gates.policy_document import MAX_QUOTED_LENGTH, document_errors
from performance.gates.regression import BEST, PROMOTED, Regression
from performance.gates.requirements import Requirements
from performance.gates.rules import Rule
from performance.gates.threshold import Threshold
from performance.metrics.inputs.labels import canonical_label
from performance.metrics.inputs.options import APPLICABLE_COLUMNS
from performance.snapshots.metric_names import CUSTOM_NAME_IS

MAX_ERRORS = 20  # that are reported for one policy


class InvalidPolicyError(ValueError):
    """The policy is invalid. `errors` holds `(field, code, detail)` of each error, such as `rules.0.metric`."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = [*errors][:MAX_ERRORS]
        super().__init__("; ".join(error_texts(self.errors)))


class AppliedPolicy(NamedTuple):
    """What follows from a policy for the models of one task type: it is the same for each verdict.

    A rule for a metric that the task type does not have, as an organization's policy may contain, has an empty one.
    `details` names the details of snapshots that the rules use: to read the others would take time.
    """

    rules: tuple[tuple[Rule, GateMetric], ...]
    requirements: Requirements
    warnings: tuple[str, ...]
    details: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Policy:
    """The rules that a version must all pass, the split and dataset that they use, and what snapshots must meet.

    `dataset` is empty for the primary dataset. `against` is what limits on regression compare with by default:
    `promoted`, `best` or the id of a version. Policies are distinguished by identity, by which verdicts are kept.
    """

    rules: tuple[Rule, ...]
    dataset_split: str = "test"
    dataset: str = ""
    requirements: Requirements = field(default_factory=Requirements)
    against: str = PROMOTED

    @cached_property
    def confidence_metrics(self) -> frozenset[str]:
        """The names of the metrics of rules with confidence."""
        return frozenset(rule.metric for rule in self.rules if rule.confidence is not None)

    @cached_property
    def difference_metrics(self) -> frozenset[str]:
        """The names of the metrics of limits on regression with confidence."""
        compared = (rule for rule in self.rules if isinstance(rule, Regression))
        return frozenset(rule.metric for rule in compared if rule.confidence is not None)

    @cached_property
    def slice_names(self) -> tuple[SliceName, ...]:
        """The names of the quantities of slices that rules use."""
        return tuple(found for rule in self.rules if (found := parse_slice_name(rule.metric)))

    @cached_property
    def limits(self) -> Mapping[Regression, str]:
        """What each limit on regression is against: `promoted`, `best` or the id of a version."""
        return {rule: rule.against or self.against for rule in self.rules if isinstance(rule, Regression)}

    @cached_property
    def promoted_differences(self) -> frozenset[str]:
        """The names of the metrics of limits with confidence against the promoted version."""
        limits = self.limits.items()
        return frozenset(rule.metric for rule, against in limits if against == PROMOTED and rule.confidence is not None)

    @cached_property
    def compared_with(self) -> frozenset[str]:
        """What limits compare with beside the promoted version: `best` or the ids of versions."""
        return frozenset({*self.limits.values()} - {PROMOTED})

    @property
    def named_versions(self) -> frozenset[str]:
        """The ids of the versions that limits compare with."""
        return frozenset({self.against, *self.limits.values()} - {PROMOTED, BEST})

    @cached_property
    def compares_with_promoted_only(self) -> bool:
        """Whether the rules need no snapshot but those of the judged and the promoted version, and no slice."""
        return not self.slice_names and not self.compared_with

    def applied_to(self, task_type: TaskType) -> AppliedPolicy:
        """Return what follows from the policy for the models of a task type."""
        if task_type.name not in self._applied:
            self._applied[task_type.name] = _apply(self, task_type)
        return self._applied[task_type.name]

    @cached_property
    def _applied(self) -> dict[str, AppliedPolicy]:
        return {}

    def as_document(self) -> dict[str, object]:
        """Return the policy as a JSON document. Fields without a value are left out."""
        required = self.requirements
        optional = {
            "dataset": self.dataset or None,
            "source": required.source,
            "same_dataset": required.same_dataset or None,
            "max_age_days": required.max_age_days,
            "evaluation": dict(required.evaluation) or None,
            "against": None if self.against == PROMOTED else self.against,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        return {"dataset_split": self.dataset_split, **given, "rules": [rule.as_document() for rule in self.rules]}


def parse_policy(document: object) -> Policy:
    """Return the policy of a JSON document. Raises `InvalidPolicyError`.

    `validate_for` checks whether its metrics exist and its thresholds are within bounds, as that depends on the task
    type.
    """
    if not isinstance(document, Mapping):
        raise InvalidPolicyError([("", "invalid", "Must be an object with `rules`.")])
    if errors := [*document_errors(document)]:
        raise InvalidPolicyError(errors)
    policy = stored_policy(document)
    if errors := [*_duplicate_errors(policy.rules), *_contradiction_errors(policy)]:
        raise InvalidPolicyError(errors)
    return policy


def stored_policy(document: Mapping[str, Any]) -> Policy:
    """Return the policy of a document that `parse_policy` accepted before."""
    pins = document.get("evaluation", {})
    requirements = Requirements(
        {name: canonical_label(pin) if name == "positive_class" else pin for name, pin in pins.items()},
        document.get("source"),
        document.get("same_dataset", False),
        document.get("max_age_days"),
    )
    return Policy(
        tuple(map(_rule, document["rules"])),
        document.get("dataset_split", "test"),
        document.get("dataset", ""),
        requirements,
        document.get("against", PROMOTED),
    )


def validate_for(policy: Policy, task_types: Iterable[TaskType]) -> None:
    """Check that each rule and each pin is valid for at least one of the task types. Raises `InvalidPolicyError`."""
    known = [*task_types]
    options = {name for task_type in known for name in evaluation_options(task_type)}
    errors = [
        (
            f"evaluation.{name}",
            "unknown",
            f"No metric of {known[0].name if len(known) == 1 else 'any task type'} depends on it.",
        )
        for name in policy.requirements.evaluation
        if name not in options
    ]
    if policy.requirements.source and not any(each.name in APPLICABLE_COLUMNS for each in known):
        detail = f"Only models of {', '.join(APPLICABLE_COLUMNS)} are computed here; leave it out."
        errors.append(("source", "not_available", detail))
    errors += [
        (f"rules.{index}.{field}", code, detail)
        for index, rule in enumerate(policy.rules)
        for field, code, detail in min(
            (rule_errors(rule, each, policy.requirements.source) for each in known), key=_severity
        )
    ]
    if errors:
        raise InvalidPolicyError(errors)


def evaluation_options(task_type: TaskType) -> frozenset[str]:
    """Return the options of an evaluation that metrics of a task type depend on."""
    return frozenset(name for metric in task_type.all_metrics for name in metric.depends_on)


def _apply(policy: Policy, task_type: TaskType) -> AppliedPolicy:
    rules = tuple((rule, find_gate_metric(rule.metric, task_type) or GateMetric(None)) for rule in policy.rules)
    warnings = tuple(warning for rule, gate_metric in rules if (warning := rule.warning(gate_metric)))
    requirements = policy.requirements.for_options(evaluation_options(task_type))
    return AppliedPolicy(rules, requirements, warnings, _details(policy, task_type))


def _details(policy: Policy, task_type: TaskType) -> tuple[str, ...]:
    names = {rule.metric for rule in policy.rules}
    looked_at = {
        "further_metrics": not names.isdisjoint(metric.name for metric in task_type.further),
        "custom_metrics": any(name.startswith("custom.") for name in names),
        "per_class": any(name.startswith("per_class.") for name in names),
        "confidence_intervals": bool(policy.confidence_metrics),
    }
    return tuple(name for name, needed in looked_at.items() if needed)


def rule_errors(rule: Rule, task_type: TaskType, source: str | None = None) -> list[FieldError]:
    """Return the errors of a rule for models of this task type. `source` is the one that the policy requires."""
    gate_metric = find_gate_metric(rule.metric, task_type)
    if gate_metric is not None:
        intervals = _interval_errors(rule, gate_metric) if source == COMPUTED else ()
        return [*rule.errors(gate_metric), *_computed_errors(rule, task_type), *intervals]
    known = _known_names(task_type, rule.metric.partition(".")[0])
    return [("metric", "unknown", f"There is no {rule.metric[:MAX_QUOTED_LENGTH]!r} of {task_type.name}; use {known}.")]


def _computed_errors(rule: Rule, task_type: TaskType) -> Iterator[FieldError]:
    """Yield an error if only an evaluation finds the quantity, and models of the task type are not evaluated here."""
    is_computed = rule.metric in COMPUTED_QUANTITIES or parse_slice_name(rule.metric) is not None
    if is_computed and task_type.name not in APPLICABLE_COLUMNS:
        detail = (
            f"Models of {task_type.name} are not evaluated here, so they have no {rule.metric[:MAX_QUOTED_LENGTH]}."
        )
        yield "metric", "not_available", detail


def _interval_errors(rule: Rule, gate_metric: GateMetric) -> Iterator[FieldError]:
    """Yield an error if a rule asks for an interval that no evaluation computes."""
    if rule.confidence is not None and gate_metric.metric is not None and not gate_metric.metric.has_interval:
        detail = f"No evaluation computes an interval of {rule.metric[:MAX_QUOTED_LENGTH]}. Leave `confidence` out."
        yield "confidence", "no_interval", detail


def _known_names(task_type: TaskType, kind: str) -> str:
    class_names = ", ".join(per_class_names(task_type))
    if kind == "custom":
        return f"custom.NAME, where NAME is {CUSTOM_NAME_IS}"
    if class_names and kind == "per_class":
        return f"per_class.LABEL.METRIC, where METRIC is one of {class_names}"
    if kind in (SLICE, WORST_SLICE):
        name = "slice.ATTRIBUTE.VALUE.METRIC" if kind == SLICE else "worst_slice.ATTRIBUTE.METRIC"
        return f"{name}, where METRIC is one of {', '.join(metric.name for metric in task_type.metrics)}"
    forms = ["custom.NAME", "slice.ATTRIBUTE.VALUE.METRIC", "worst_slice.ATTRIBUTE.METRIC"]
    names = [*(metric.name for metric in task_type.all_metrics), *QUANTITIES, *forms]
    return ", ".join([*names, "or per_class.LABEL.METRIC"] if class_names else [*names[:-1], f"or {names[-1]}"])


def _severity(errors: list[FieldError]) -> tuple[bool, int]:
    """Sort errors of a known metric before an unknown metric, and no errors before all."""
    return any(code == "unknown" for _, code, _ in errors), len(errors)


def _rule(document: Mapping[str, Any]) -> Rule:
    metric, confidence, least = (document.get(name) for name in ("metric", "confidence", "min_sample_count"))
    metric, confidence = str(metric), None if confidence is None else float(confidence)
    if "max_regression" in document:
        limit, relative = _clean(document["max_regression"]), document.get("relative", False)
        return Regression(metric, limit, relative, confidence, document.get("against"), least)
    operator = Operator(document["operator"])
    return Threshold(metric, operator, _clean(document["threshold"]), confidence, least)


def _clean(number: float) -> float:
    return float(number) + 0.0  # without minus zero: not all databases keep its sign


def _contradiction_errors(policy: Policy) -> Iterator[FieldError]:
    """Yield an error for each rule that no snapshot can pass beside the others and what the policy requires."""
    bounds: dict[tuple[str, int | None], list[tuple[int, Threshold]]] = {}
    for index, rule in enumerate(policy.rules):
        if rule.metric.startswith("custom.") and policy.requirements.source == COMPUTED:
            detail = "Computed snapshots have no custom metrics. Leave `source` out, or this rule."
            yield f"rules.{index}.metric", "not_available", detail
        if rule.metric == TRAIN_OVERLAP and policy.dataset_split == "train":
            detail = "The train split is not compared with itself. Judge another split, or leave this rule out."
            yield f"rules.{index}.metric", "not_available", detail
        if isinstance(rule, Threshold):
            others = bounds.setdefault((rule.metric, rule.min_sample_count), [])
            for place, other in others:
                if rule.contradicts(other):
                    detail = f"No value passes both this and rule {place}. Change one of the two."
                    yield f"rules.{index}.threshold", "contradiction", detail
                    break
            others.append((index, rule))


def _duplicate_errors(rules: tuple[Rule, ...]) -> Iterator[FieldError]:
    seen: dict[tuple[object, ...], int] = {}
    for index, rule in enumerate(rules):
        if rule.key in seen:
            detail = f"Repeats rule {seen[rule.key]} for {rule.metric[:MAX_QUOTED_LENGTH]}: keep one of the two."
            yield f"rules.{index}", "duplicate", detail
        seen.setdefault(rule.key, index)
