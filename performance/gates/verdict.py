"""Judge a version by a policy."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from models_registry.task_types.base import TaskType
from performance.gates.gate_input import GateInput, RuleStatus, RuleVerdict
from performance.gates.gate_metrics import GateMetric, find_gate_metric
from performance.gates.policy import Policy
from performance.metrics.comparison import PairingStatus
from performance.metrics.statistics.intervals import Interval


class Status(StrEnum):
    """The verdict's status. A version without a policy may ship."""

    PASSED = "passed"
    FAILED = "failed"
    NO_POLICY = "no_policy"


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """The owner and revision of the policy that was applied."""

    owner: str
    version: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a version. `policy` is `None` if the policy is not stored, or if there is none."""

    model_id: str
    version_id: str
    baseline_version_id: str | None
    status: Status
    rules: tuple[RuleVerdict, ...]
    judged_at: datetime
    warnings: tuple[str, ...] = ()
    policy: StoredPolicy | None = None

    @property
    def refuses(self) -> bool:
        """Whether the version must not ship."""
        return self.status is Status.FAILED

    @property
    def detail(self) -> str:
        """The verdict in one or two sentences, with the first reason if it failed."""
        if self.status is Status.NO_POLICY:
            return f"There is no policy for {self.version_id}."
        broken = [rule.detail for rule in self.rules if rule.status is not RuleStatus.PASSED]
        if not broken:
            return f"{self.version_id} passes {_rule_count(len(self.rules))}."
        return f"{self.version_id} fails {len(broken)} of {_rule_count(len(self.rules))}. {broken[0]}"

    def as_document(self) -> dict[str, Any]:
        """Return the verdict as a JSON document."""
        return {
            "model_id": self.model_id,
            "version_id": self.version_id,
            "baseline_version_id": self.baseline_version_id,
            "status": self.status.value,
            "rules": [_document_of(rule) for rule in self.rules],
            "judged_at": f"{self.judged_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "warnings": [*self.warnings],
            "policy": self.policy and asdict(self.policy),
        }


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
    about = gate_input.model_id, gate_input.version_id, gate_input.baseline_version_id
    if policy is None:
        return Verdict(*about, Status.NO_POLICY, (), judged_at)
    rules_and_metrics = [(rule, find_gate_metric(rule.metric, task_type) or GateMetric(None)) for rule in policy.rules]
    rules = tuple(rule.judge(gate_input, gate_metric) for rule, gate_metric in rules_and_metrics)
    warnings = tuple(warning for rule, gate_metric in rules_and_metrics if (warning := rule.warning(gate_metric)))
    if gate_input.pairing is PairingStatus.PENDING:
        warnings += (_pending(gate_input),)
    passed = all(rule.status is RuleStatus.PASSED for rule in rules)
    return Verdict(*about, Status.PASSED if passed else Status.FAILED, rules, judged_at, warnings, stored)


def _pending(gate_input: GateInput) -> str:
    return (
        f"{gate_input.version_id} and the promoted {gate_input.baseline_version_id} are still being compared "
        "example by example. Until that is done, limits with confidence use intervals of independent samples."
    )


def _document_of(rule: RuleVerdict) -> dict[str, object]:
    return {
        "metric": rule.metric,
        "operator": rule.operator and str(rule.operator),
        "threshold": rule.threshold,
        "value": rule.value,
        "interval": rule.interval and _interval(rule.interval),
        "baseline_value": rule.baseline_value,
        "status": str(rule.status),
        "detail": rule.detail,
    }


def _interval(interval: Interval) -> dict[str, object]:
    return {"lower": interval.lower, "upper": interval.upper, "level": interval.level, "method": interval.method}


def _rule_count(number: int) -> str:
    return f"{number} rule" if number == 1 else f"{number} rules"
