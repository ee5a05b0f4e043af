"""The verdict on a version: what became of each rule of a policy."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from models_registry.task_types.base import TaskType
from performance.gates.gate_input import GateInput, RuleStatus, RuleVerdict
from performance.gates.gate_metrics import GateMetric, gate_metric
from performance.gates.policy import Policy
from performance.metrics.comparison import PairingStatus
from performance.metrics.statistics.intervals import Interval


class Status(StrEnum):
    """Whether a version may ship. Without a policy nothing is held against it."""

    PASSED = "passed"
    FAILED = "failed"
    NO_POLICY = "no_policy"


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """Which policy it is that was judged by: whose, and the how-manieth that they have had."""

    owner: str
    version: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a version. `policy` is `None` when it was judged by one that is stored nowhere, or by none."""

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
        """The verdict in one sentence or two: when it failed, the first reason."""
        if self.status is Status.NO_POLICY:
            return f"No policy says what {self.version_id} must be like."
        broken = [rule.detail for rule in self.rules if rule.status is not RuleStatus.PASSED]
        if not broken:
            return f"{self.version_id} passes {_counted(len(self.rules))}."
        return f"{self.version_id} fails {len(broken)} of {_counted(len(self.rules))}. {broken[0]}"

    def as_document(self) -> dict[str, Any]:
        """Return the verdict as JSON has it."""
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
    case: GateInput,
    *,
    judged_at: datetime,
    stored: StoredPolicy | None = None,
) -> Verdict:
    """Return the verdict of a policy on a version of a model of this task type.

    `stored` says which policy it is. A rule for what the task type does not have, as an organization's may hold, is
    `missing`, and so fails.
    """
    about = case.model_id, case.version_id, case.baseline_version_id
    if policy is None:
        return Verdict(*about, Status.NO_POLICY, (), judged_at)
    looked_at = [(rule, gate_metric(rule.metric, task_type) or GateMetric(None)) for rule in policy.rules]
    rules = tuple(rule.judge(case, quantity) for rule, quantity in looked_at)
    warnings = tuple(warning for rule, quantity in looked_at if (warning := rule.warning(quantity)))
    if case.pairing is PairingStatus.PENDING:
        warnings += (_pending(case),)
    passed = all(rule.status is RuleStatus.PASSED for rule in rules)
    return Verdict(*about, Status.PASSED if passed else Status.FAILED, rules, judged_at, warnings, stored)


def _pending(case: GateInput) -> str:
    return (
        f"{case.version_id} and the promoted {case.baseline_version_id} are still being compared example by example. "
        "Until then, limits with confidence take intervals of independent samples."
    )


def _document_of(rule: RuleVerdict) -> dict[str, Any]:
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


def _interval(interval: Interval) -> dict[str, Any]:
    return {"lower": interval.lower, "upper": interval.upper, "level": interval.level, "method": interval.method}


def _counted(number: int) -> str:
    return f"{number} rule" if number == 1 else f"{number} rules"
