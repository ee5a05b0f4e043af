"""Parse policies from JSON, reporting every error, and validate them for a task type."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from models_registry.task_types.base import TaskType
from performance.gates.gate_input import Operator
from performance.gates.gate_metrics import find_gate_metric, per_class_names
from performance.gates.rules import FieldError, Regression, Rule, Threshold
from performance.snapshots.metric_names import CUSTOM_NAME_IS

SPLITS = ("train", "validation", "test")
MAX_RULES = 100
MAX_ERRORS = 20  # that are reported for one policy
MAX_NAME_LENGTH = 300  # characters of a metric's name
MAX_QUOTED_LENGTH = 40  # characters of a name in an error

_FIELDS = ("dataset_split", "rules")
_RULE_FIELDS = ("metric", "operator", "threshold", "max_regression", "relative", "confidence")


class InvalidPolicyError(ValueError):
    """The policy is invalid. `errors` holds `(field, code, detail)` of each error, such as `rules.0.metric`."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = [*errors][:MAX_ERRORS]
        super().__init__("; ".join(f"{field}: {detail}" if field else detail for field, _, detail in self.errors))


@dataclass(frozen=True)
class Policy:
    """The rules that a version must all pass, and the split that they use."""

    rules: tuple[Rule, ...]
    dataset_split: str = "test"

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
    def regression_metrics(self) -> frozenset[str]:
        """The names of the metrics of limits on regression."""
        return frozenset(rule.metric for rule in self.rules if isinstance(rule, Regression))

    def as_document(self) -> dict[str, object]:
        """Return the policy as a JSON document."""
        return {"dataset_split": self.dataset_split, "rules": [rule.as_document() for rule in self.rules]}


def parse_policy(document: object) -> Policy:
    """Return the policy of a JSON document. Raises `InvalidPolicyError`.

    `validate_for` checks whether its metrics exist and its thresholds are within bounds, as that depends on the task
    type.
    """
    if not isinstance(document, Mapping):
        raise InvalidPolicyError([("", "invalid", "Must be an object with `rules`.")])
    errors = [*_split_errors(document), *_rules_errors(document), *_unknown_field_errors("", document, _FIELDS)]
    if errors:
        raise InvalidPolicyError(errors)
    policy = stored_policy(document)
    if duplicates := [*_duplicate_errors(policy.rules)]:
        raise InvalidPolicyError(duplicates)
    return policy


def stored_policy(document: Mapping[str, Any]) -> Policy:
    """Return the policy of a document that `parse_policy` accepted before."""
    return Policy(tuple(map(_rule, document["rules"])), document.get("dataset_split", "test"))


def validate_for(policy: Policy, task_types: Iterable[TaskType]) -> None:
    """Check that each rule is valid for at least one of the task types. Raises `InvalidPolicyError`."""
    known = [*task_types]
    errors = [
        (f"rules.{index}.{field}", code, detail)
        for index, rule in enumerate(policy.rules)
        for field, code, detail in min((rule_errors(rule, each) for each in known), key=_severity)
    ]
    if errors:
        raise InvalidPolicyError(errors)


def rule_errors(rule: Rule, task_type: TaskType) -> list[FieldError]:
    """Return the errors of a rule for models of this task type."""
    gate_metric = find_gate_metric(rule.metric, task_type)
    if gate_metric is not None:
        return [*rule.errors(gate_metric)]
    known = _known_names(task_type, rule.metric.partition(".")[0])
    return [("metric", "unknown", f"There is no {rule.metric[:MAX_QUOTED_LENGTH]!r} of {task_type.name}; use {known}.")]


def _known_names(task_type: TaskType, kind: str) -> str:
    class_names = ", ".join(per_class_names(task_type))
    if kind == "custom":
        return f"custom.NAME, where NAME is {CUSTOM_NAME_IS}"
    if class_names and kind == "per_class":
        return f"per_class.LABEL.METRIC, where METRIC is one of {class_names}"
    names = [metric.name for metric in task_type.all_metrics] + ["sample_count"]
    return ", ".join([*names, "custom.NAME or per_class.LABEL.METRIC"] if class_names else [*names, "or custom.NAME"])


def _severity(errors: list[FieldError]) -> tuple[bool, int]:
    """Sort errors of a known metric before an unknown metric, and no errors before all."""
    return any(code == "unknown" for _, code, _ in errors), len(errors)


def _unknown_field_errors(path: str, document: Mapping[str, object], known: tuple[str, ...]) -> Iterator[FieldError]:
    for name in document:
        if name not in known:
            yield f"{path}{name[:MAX_QUOTED_LENGTH]}", "unknown_field", f"Unknown field; use {', '.join(known)}."


def _split_errors(document: Mapping[str, object]) -> Iterator[FieldError]:
    if document.get("dataset_split", "test") not in SPLITS:
        yield "dataset_split", "invalid_choice", f"Must be one of {', '.join(SPLITS)}, in lower case."


def _rules_errors(document: Mapping[str, object]) -> Iterator[FieldError]:
    rules = document.get("rules")
    if not isinstance(rules, list) or not rules:
        yield "rules", "empty", "Must be a list of at least one rule."
    elif len(rules) > MAX_RULES:
        yield "rules", "max_length", f"Must have at most {MAX_RULES} rules."
    else:
        for index, rule in enumerate(rules):
            yield from _rule_errors(f"rules.{index}", rule)


def _rule_errors(path: str, rule: object) -> Iterator[FieldError]:
    if not isinstance(rule, Mapping):
        yield path, "invalid", "Must be an object."
        return
    yield from _unknown_field_errors(f"{path}.", rule, _RULE_FIELDS)
    metric = rule.get("metric")
    if not isinstance(metric, str) or not 1 <= len(metric) <= MAX_NAME_LENGTH:
        yield f"{path}.metric", "invalid", f"Must be the name of a metric: 1 to {MAX_NAME_LENGTH} characters."
    if "max_regression" not in rule:
        yield from _threshold_errors(path, rule)
    elif "operator" in rule or "threshold" in rule:
        yield path, "invalid", "Must have either `operator` and `threshold`, or `max_regression`."
    else:
        yield from _number_errors(path, rule, "max_regression")
    if "relative" in rule and not ("max_regression" in rule and isinstance(rule["relative"], bool)):
        yield f"{path}.relative", "invalid", "Must be true or false, beside `max_regression`."
    if "confidence" in rule:
        yield from _number_errors(path, rule, "confidence")


def _threshold_errors(path: str, rule: Mapping[str, object]) -> Iterator[FieldError]:
    if rule.get("operator") not in [*Operator]:
        detail = f"Must be one of {', '.join(Operator)}; or give `max_regression`."
        yield f"{path}.operator", "invalid_choice", detail
    yield from _number_errors(path, rule, "threshold")


def _number_errors(path: str, rule: Mapping[str, object], name: str) -> Iterator[FieldError]:
    if not _is_number(rule.get(name)):
        yield f"{path}.{name}", "invalid", "Must be a finite number."


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _rule(document: Mapping[str, Any]) -> Rule:
    metric, confidence = document["metric"], document.get("confidence")
    confidence = None if confidence is None else float(confidence)
    if "max_regression" in document:
        return Regression(metric, _clean(document["max_regression"]), document.get("relative", False), confidence)
    return Threshold(metric, Operator(document["operator"]), _clean(document["threshold"]), confidence)


def _clean(number: float) -> float:
    return float(number) + 0.0  # without minus zero: databases differ in keeping its sign


def _duplicate_errors(rules: tuple[Rule, ...]) -> Iterator[FieldError]:
    seen: dict[tuple[object, ...], int] = {}
    for index, rule in enumerate(rules):
        if rule.key in seen:
            detail = f"Repeats rule {seen[rule.key]} for {rule.metric[:MAX_QUOTED_LENGTH]}: keep one of the two."
            yield f"rules.{index}", "duplicate", detail
        seen.setdefault(rule.key, index)
