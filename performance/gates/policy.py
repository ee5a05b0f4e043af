"""Policies: read from JSON with a fault for each thing that is wrong, and held against what a task type measures."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from models_registry.task_types.base import TaskType
from performance.gates.gate_input import Operator
from performance.gates.gate_metrics import gate_metric, names_by_class
from performance.gates.rules import Fault, Regression, Rule, Threshold
from performance.snapshots.metric_names import CUSTOM_NAME_IS

SPLITS = ("train", "validation", "test")
MAX_RULES = 100
MAX_FAULTS = 20  # of one policy that are told
MAX_NAME = 300  # characters, of what a rule looks at
MAX_TOLD = 40  # of what is told of it

_FIELDS = ("dataset_split", "rules")
_FIELDS_OF_RULE = ("metric", "operator", "threshold", "max_regression", "relative", "confidence")


class InvalidPolicyError(ValueError):
    """A policy that cannot be judged by. `faults` lists `(field, code, detail)` of each fault: `rules.0.metric`."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = [*faults][:MAX_FAULTS]
        super().__init__("; ".join(f"{field}: {detail}" if field else detail for field, _, detail in self.faults))


@dataclass(frozen=True)
class Policy:
    """The rules that a version must pass, all of them, and the split that it is measured on."""

    rules: tuple[Rule, ...]
    dataset_split: str = "test"

    @cached_property
    def with_confidence(self) -> frozenset[str]:
        """The names of what rules look at with confidence."""
        return frozenset(rule.metric for rule in self.rules if rule.confidence is not None)

    @cached_property
    def of_differences(self) -> frozenset[str]:
        """The names of what rules hold against the promoted version's with confidence."""
        compared = (rule for rule in self.rules if isinstance(rule, Regression))
        return frozenset(rule.metric for rule in compared if rule.confidence is not None)

    @cached_property
    def with_limits(self) -> frozenset[str]:
        """The names of what rules hold against the promoted version."""
        return frozenset(rule.metric for rule in self.rules if isinstance(rule, Regression))

    def as_document(self) -> dict[str, Any]:
        """Return the policy as JSON has it."""
        return {"dataset_split": self.dataset_split, "rules": [rule.as_document() for rule in self.rules]}


def parse_policy(document: object) -> Policy:
    """Return the policy that a JSON document holds. Raises `InvalidPolicyError`.

    Whether its metrics are there, and its thresholds within their bounds, `check` says: that depends on the task type.
    """
    if not isinstance(document, Mapping):
        raise InvalidPolicyError([("", "invalid", "Must be an object with `rules`.")])
    faults = [*_faults_of_split(document), *_faults_of_rules(document), *_unknown("", document, _FIELDS)]
    if faults:
        raise InvalidPolicyError(faults)
    policy = stored_policy(document)
    if repeated := [*_repeated(policy.rules)]:
        raise InvalidPolicyError(repeated)
    return policy


def stored_policy(document: Mapping[str, Any]) -> Policy:
    """Return the policy of a document that `policy_of` has taken before."""
    return Policy(tuple(map(_rule, document["rules"])), document.get("dataset_split", "test"))


def validate_for(policy: Policy, task_types: Iterable[TaskType]) -> None:
    """Refuse a rule that none of the task types can be judged by. Raises `InvalidPolicyError`."""
    known = [*task_types]
    faults = [
        (f"rules.{index}.{field}", code, detail)
        for index, rule in enumerate(policy.rules)
        for field, code, detail in min((faults_of(rule, each) for each in known), key=_gravity)
    ]
    if faults:
        raise InvalidPolicyError(faults)


def faults_of(rule: Rule, task_type: TaskType) -> list[Fault]:
    """Return what is wrong with a rule for models of this task type."""
    quantity = gate_metric(rule.metric, task_type)
    if quantity is not None:
        return [*rule.faults(quantity)]
    known = _known_names(task_type, rule.metric.partition(".")[0])
    return [("metric", "unknown", f"There is no {rule.metric[:MAX_TOLD]!r} of {task_type.name}; use {known}.")]


def _known_names(task_type: TaskType, kind: str) -> str:
    by_class = ", ".join(names_by_class(task_type))
    if kind == "custom":
        return f"custom.NAME, where NAME is {CUSTOM_NAME_IS}"
    if by_class and kind == "per_class":
        return f"per_class.LABEL.METRIC, where METRIC is one of {by_class}"
    names = [metric.name for metric in task_type.all_metrics] + ["sample_count"]
    return ", ".join([*names, "custom.NAME or per_class.LABEL.METRIC"] if by_class else [*names, "or custom.NAME"])


def _gravity(faults: list[Fault]) -> tuple[bool, int]:
    """Order faults so that those of a known metric come before an unknown one, and none before all."""
    return any(code == "unknown" for _, code, _ in faults), len(faults)


def _unknown(path: str, document: Mapping[str, object], known: tuple[str, ...]) -> Iterator[Fault]:
    for name in document:
        if name not in known:
            yield f"{path}{name[:MAX_TOLD]}", "unknown_field", f"Unknown field; use {', '.join(known)}."


def _faults_of_split(document: Mapping[str, object]) -> Iterator[Fault]:
    if document.get("dataset_split", "test") not in SPLITS:
        yield "dataset_split", "invalid_choice", f"Must be one of {', '.join(SPLITS)}, in lower case."


def _faults_of_rules(document: Mapping[str, object]) -> Iterator[Fault]:
    rules = document.get("rules")
    if not isinstance(rules, list) or not rules:
        yield "rules", "empty", "Must be a list of at least one rule."
    elif len(rules) > MAX_RULES:
        yield "rules", "max_length", f"Must have at most {MAX_RULES} rules."
    else:
        for index, rule in enumerate(rules):
            yield from _faults_of_rule(f"rules.{index}", rule)


def _faults_of_rule(path: str, rule: object) -> Iterator[Fault]:
    if not isinstance(rule, Mapping):
        yield path, "invalid", "Must be an object."
        return
    yield from _unknown(f"{path}.", rule, _FIELDS_OF_RULE)
    metric = rule.get("metric")
    if not isinstance(metric, str) or not 1 <= len(metric) <= MAX_NAME:
        yield f"{path}.metric", "invalid", f"Must be the name of a metric: 1 to {MAX_NAME} characters."
    if "max_regression" not in rule:
        yield from _faults_of_threshold(path, rule)
    elif "operator" in rule or "threshold" in rule:
        yield path, "invalid", "Must have either `operator` and `threshold`, or `max_regression`."
    else:
        yield from _faults_of_number(path, rule, "max_regression")
    if "relative" in rule and not ("max_regression" in rule and isinstance(rule["relative"], bool)):
        yield f"{path}.relative", "invalid", "Must be true or false, beside `max_regression`."
    if "confidence" in rule:
        yield from _faults_of_number(path, rule, "confidence")


def _faults_of_threshold(path: str, rule: Mapping[str, object]) -> Iterator[Fault]:
    if rule.get("operator") not in [*Operator]:
        told = f"Must be one of {', '.join(Operator)}; or give `max_regression`."
        yield f"{path}.operator", "invalid_choice", told
    yield from _faults_of_number(path, rule, "threshold")


def _faults_of_number(path: str, rule: Mapping[str, object], name: str) -> Iterator[Fault]:
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
    return float(number) + 0.0  # without minus zero, of which one database keeps the sign


def _repeated(rules: tuple[Rule, ...]) -> Iterator[Fault]:
    seen: dict[tuple[object, ...], int] = {}
    for index, rule in enumerate(rules):
        if rule.key in seen:
            told = f"Asks the same of {rule.metric[:MAX_TOLD]} as rule {seen[rule.key]} does: keep one of both."
            yield f"rules.{index}", "duplicate", told
        seen.setdefault(rule.key, index)
