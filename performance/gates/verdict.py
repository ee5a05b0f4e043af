"""Judge a version by a policy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypedDict

from models_registry.api.times import utc_text
from models_registry.task_types.base import TaskType
from performance.gates.gate_input import Baseline, GateInput, RuleStatus, RuleVerdict
from performance.gates.measurement import (
    COMPUTED,
    DatasetDocument,
    Measurement,
    MeasurementDocument,
    WarningDocument,
)
from performance.gates.policy import Policy
from performance.metrics.comparison import PairingStatus
from performance.metrics.result import MISSING_FRACTION_TO_WARN
from performance.metrics.statistics.intervals import IntervalDocument

# The members of the first stored verdicts. Members that came later are missing in old documents.
FIRST_MEMBERS = frozenset(
    {"model_id", "version_id", "baseline_version_id", "status", "rules", "judged_at", "warnings", "policy"}
)


class Status(StrEnum):
    """The verdict's status. A version without a policy may ship."""

    PASSED = "passed"
    FAILED = "failed"
    NO_POLICY = "no_policy"


class StoredPolicyDocument(TypedDict):
    """A `StoredPolicy` as JSON."""

    owner: str
    version: int


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """The owner and revision of the policy that was applied."""

    owner: str
    version: int

    def as_document(self) -> StoredPolicyDocument:
        """Return both as a JSON document."""
        return {"owner": self.owner, "version": self.version}


class RuleVerdictDocument(TypedDict, total=False):
    """The result of a rule as JSON. Older documents lack some members."""

    metric: str
    operator: str | None
    threshold: float | None
    value: float | None
    interval: IntervalDocument | None
    baseline_value: float | None
    status: str
    detail: str
    baseline_version_id: str | None
    same_dataset: bool | None
    needed_sample_count: int | None


class VerdictDocument(TypedDict):
    """A verdict as JSON. Older documents lack some members."""

    model_id: str
    version_id: str
    baseline_version_id: str | None
    status: str
    rules: list[RuleVerdictDocument]
    judged_at: str
    warnings: list[str]
    policy: StoredPolicyDocument | None
    candidate: MeasurementDocument | None
    baselines: list[MeasurementDocument]


class Verdict(NamedTuple):
    """The verdict on a version. `policy` is `None` if the policy is not stored, or if there is none.

    `measured` is the snapshot that was judged, `None` if there was none. `baselines` are those that limits compare
    with.
    """

    model_id: str
    version_id: str
    baseline_version_id: str | None
    status: Status
    rules: tuple[RuleVerdict, ...]
    judged_at: datetime
    warnings: tuple[str, ...] = ()
    policy: StoredPolicy | None = None
    measured: Measurement | None = None
    baselines: tuple[Measurement, ...] = ()

    @property
    def refuses(self) -> bool:
        """Whether the version must not ship."""
        return self.status is Status.FAILED

    @property
    def lacks_examples(self) -> bool:
        """Whether more examples may decide each rule that is not passed."""
        broken = [rule for rule in self.rules if rule.status is not RuleStatus.PASSED]
        return bool(broken) and all(rule.needed_sample_count is not None for rule in broken)

    @property
    def detail(self) -> str:
        """The verdict in one or two sentences, with the first reason if it failed."""
        if self.status is Status.NO_POLICY:
            return f"There is no policy for {self.version_id}."
        broken = [rule.detail for rule in self.rules if rule.status is not RuleStatus.PASSED]
        if not broken:
            return f"{self.version_id} passes {_rule_count(len(self.rules))}."
        return f"{self.version_id} fails {len(broken)} of {_rule_count(len(self.rules))}. {broken[0]}"

    @property
    def judged_at_text(self) -> str:
        """The time of the verdict in UTC, as the JSON document has it."""
        return utc_text(self.judged_at)

    def as_document(self) -> VerdictDocument:
        """Return the verdict as a JSON document."""
        return {
            "model_id": self.model_id,
            "version_id": self.version_id,
            "baseline_version_id": self.baseline_version_id,
            "status": self.status.value,
            "rules": [_document_of(rule) for rule in self.rules],
            "judged_at": self.judged_at_text,
            "warnings": [*self.warnings],
            "policy": None if self.policy is None else self.policy.as_document(),
            "candidate": None if self.measured is None else self.measured.as_document(),
            "baselines": [each.as_document() for each in self.baselines],
        }


def is_verdict_document(document: Mapping[str, object]) -> bool:
    """Return whether a JSON document is a gate's verdict: whether it has the members that all of them have."""
    return document.keys() >= FIRST_MEMBERS


def order_document(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored verdict with its members in the order of `Verdict.as_document`: PostgreSQL does not keep it.

    Members that older documents lack are null, or an empty list.
    """
    verdict = _order(stored, VerdictDocument)
    return verdict | {
        "rules": [_order_rule(each) for each in verdict["rules"] or ()],
        "policy": verdict["policy"] and _order(verdict["policy"], StoredPolicyDocument),
        "candidate": verdict["candidate"] and _order_measurement(verdict["candidate"]),
        "baselines": [_order_measurement(each) for each in verdict["baselines"] or ()],
    }


def _order_rule(stored: Mapping[str, Any]) -> dict[str, Any]:
    rule = _order(stored, RuleVerdictDocument)
    return rule | {"interval": rule["interval"] and _order(rule["interval"], IntervalDocument)}


def _order_measurement(stored: Mapping[str, Any]) -> dict[str, Any]:
    measured = _order(stored, MeasurementDocument)
    return measured | {
        "dataset": measured["dataset"] and _order(measured["dataset"], DatasetDocument),
        "warnings": [_order(each, WarningDocument) for each in measured["warnings"] or ()],
    }


def _order(document: Mapping[str, Any], document_type: type) -> dict[str, Any]:
    return {name: document.get(name) for name in document_type.__annotations__}


def judge(
    policy: Policy | None,
    task_type: TaskType,
    gate_input: GateInput,
    *,
    judged_at: datetime,
    stored: StoredPolicy | None = None,
) -> Verdict:
    """Return the verdict of a policy on a version of a model of this task type.

    `stored` says which policy it is. A rule for a metric that the task type does not have, as an organization's policy
    may contain, is `missing` and so fails.
    """
    about = gate_input.model_id, gate_input.version_id, gate_input.promoted.version_id
    if policy is None:
        return Verdict(*about, Status.NO_POLICY, (), judged_at)
    applied = policy.applied_to(task_type)
    gate_input = replace(gate_input, requirements=applied.requirements, judged_at=judged_at)
    rules = tuple([rule.judge(gate_input, gate_metric) for rule, gate_metric in applied.rules])
    warnings = [*applied.warnings]
    found = [each for each in map(gate_input.baseline_of, policy.limits) if each.version_id]
    compared = {(each.version_id, each.measured): each for each in found}
    warnings += [_pending(gate_input, each) for each in compared.values() if each.pairing is PairingStatus.PENDING]
    baselines = tuple(each.measured for each in compared.values() if each.measured)
    for measured in filter(None, (gate_input.measured, *baselines)):
        warnings += _measurement_warnings(measured)
    passed = all(rule.status is RuleStatus.PASSED for rule in rules)
    status = Status.PASSED if passed else Status.FAILED
    return Verdict(
        *about, status, rules, judged_at, tuple(warnings), stored, measured=gate_input.measured, baselines=baselines
    )


def _measurement_warnings(measured: Measurement) -> list[str]:
    """Return what a reader of the verdict should know of a snapshot that it used."""
    version, values = measured.version_id, measured.metrics.values
    warnings = [f"{version}: {each.detail}" for each in measured.warnings]
    if measured.source != COMPUTED:
        warnings.append(f"{version}: the metrics are {measured.source}, not computed here from predictions.")
    known = {each.code for each in measured.warnings}
    missing = values.get("missing_fraction", 0)
    if missing >= MISSING_FRACTION_TO_WARN and "missing_predictions" not in known:
        warnings.append(f"{version}: {missing:.1%} of the rows have no prediction.")
    if (overlap := values.get("train_overlap", 0)) > 0 and "train_overlap" not in known:
        warnings.append(f"{version}: {overlap:.1%} of the examples are in the train split too.")
    return warnings


def _pending(gate_input: GateInput, baseline: Baseline) -> str:
    return (
        f"{gate_input.version_id} and {baseline.title} are still being compared example by example. Until that is "
        "done, limits with confidence use intervals of independent samples."
    )


def _document_of(rule: RuleVerdict) -> RuleVerdictDocument:
    return {
        "metric": rule.metric,
        "operator": rule.operator,  # JSON of a `StrEnum` is that of its text
        "threshold": rule.threshold,
        "value": rule.value,
        "interval": None if rule.interval is None else rule.interval.as_document(),
        "baseline_value": rule.baseline_value,
        "status": rule.status,
        "detail": rule.detail,
        "baseline_version_id": rule.baseline_version_id,
        "same_dataset": rule.same_dataset,
        "needed_sample_count": rule.needed_sample_count,
    }


def _rule_count(number: int) -> str:
    return f"{number} rule" if number == 1 else f"{number} rules"
