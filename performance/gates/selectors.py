"""Reads of gates: two SQL statements for a verdict, however many rules the policy has.

Rules on slices take one more, and so do limits against other versions than the promoted one. If these require
confidence, the stored comparisons with the other versions take one more again.
"""

import json
from dataclasses import dataclass
from functools import cache, lru_cache

from django.db import DEFAULT_DB_ALIAS
from django.db.models import CharField, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from models_registry.accounts.scopes import Scope
from models_registry.db.prepared import Parameter, PreparedQuery, Row, first_row
from models_registry.registry import ids
from models_registry.registry.errors import ModelNotFoundError
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.task_types.base import TaskType
from models_registry.tokens.jwt import Caller
from models_registry.tokens.selectors import USER, account_rows, check_login
from performance.comparisons.services import Compare, paired_intervals
from performance.gates.gate_input import Baseline, GateInput
from performance.gates.models import GatePolicy
from performance.gates.policy import Policy, stored_policy
from performance.gates.policy_snapshots import PolicySnapshots, VersionRef
from performance.gates.regression import PROMOTED
from performance.gates.verdict import StoredPolicy, Verdict, judge
from performance.snapshots.selectors import SnapshotLookup

_MODEL = Parameter("model", CharField())
_NUMBER = Parameter("number", IntegerField())


@dataclass(frozen=True, slots=True)
class GateContext:
    """The caller, the model, the version to judge, its baseline and the current policy, read by one statement."""

    reading: SnapshotLookup
    version_pk: int | None
    baseline: VersionRef | None
    policy: Policy | None
    stored: StoredPolicy | None
    username: str
    archived: bool

    @property
    def permitted(self) -> bool:
        """Whether the caller may read the model's performance."""
        return self.reading.permitted

    @property
    def task_type(self) -> TaskType:
        """The model's task type."""
        return task_types.get(self.reading.task_type)

    def verdict(self) -> Verdict:
        """Return the verdict by the current policy. Raises what `SnapshotLookup.completed_version` raises."""
        return self.verdict_by(self.policy, self.stored)

    def verdict_by(self, policy: Policy | None, stored: StoredPolicy | None = None) -> Verdict:
        """Return the verdict by any policy. Raises what `SnapshotLookup.completed_version` raises."""
        version_id = self.reading.completed_version()
        return verdict_on(
            VersionRef(self.version_pk or 0, ids.version_number(version_id)),
            model_id=self.reading.model_id,
            task_type=self.task_type,
            baseline=self.baseline,
            policy=policy,
            stored=stored,
            compare=paired_intervals,
        )


def read_gate(*, caller: Caller, model_id: str, version_id: str | None = None) -> GateContext:
    """Return the context of a verdict on a version, by default the newest completed one.

    It is one SQL statement, never on a replica, which may lag behind. Raises `InvalidTokenError` if the caller may no
    longer log in, and `ModelNotFoundError`.
    """
    found = gate_statement(newest=version_id is None).first(
        user=caller.pk,
        family=caller.family,
        model=model_id if ids.is_model_id(model_id) else "",
        number=0 if version_id is None else ids.version_number(version_id),
    )
    row = check_login(found, caller)
    if row["task_type"] is None:
        raise ModelNotFoundError(f"There is no model {model_id[:40]!r}. Check the id.")
    version = row["version"] or dict.fromkeys(("pk", "number", "state"))
    reading = SnapshotLookup(
        model_id=model_id,
        task_type=row["task_type"],
        permitted=bool(row["is_superuser"] or row["permitted"]) and Scope.MODEL_READ in caller.scopes,
        dataset_split="",
        asked_for=version_id,
        newest_completed=row["newest_completed"],
        number=version["number"],
        version_state=version["state"],
        newest=None,
        database=DEFAULT_DB_ALIAS,
    )
    baseline = row["promoted"]
    if baseline and baseline["pk"] == version["pk"]:
        baseline = row["replaced"]
    baseline = baseline and VersionRef(**baseline)
    return GateContext(reading, version["pk"], baseline, *_current(row), row["username"], row["archived"])


def may_write(caller: Caller, model_id: str) -> bool:
    """Return whether a caller holds `model:write` on a model, by the token and by role or grant."""
    permitting = RegisteredModel.objects.filter(pk=model_id).permitting(Scope.MODEL_WRITE, caller.pk)
    users = User.objects.filter(Q(is_superuser=True) | Exists(permitting), pk=caller.pk)
    return Scope.MODEL_WRITE in caller.scopes and users.exists()


def judge_version(
    version: Version, *, policy: Policy | None = None, compare: Compare | None, lock_policy: bool = False
) -> Verdict:
    """Return the verdict on a version, by default by its model's current policy.

    `version.model` must be up to date. `compare` is as for `verdict_on`. With `lock_policy`, the current policy cannot
    change until the transaction ends, if the caller holds the lock of the model's row.
    """
    model, stored = version.model, None
    if policy is None:
        policy, stored = current_policy(model, lock=lock_policy)
    return verdict_on(
        VersionRef(version.pk, version.number),
        model_id=model.pk,
        task_type=task_types.get(model.task_type),
        baseline=_baseline(version),
        policy=policy,
        stored=stored,
        compare=compare,
    )


def current_policy(model: RegisteredModel, *, lock: bool = False) -> tuple[Policy | None, StoredPolicy | None]:
    """Return the model's own policy, or else its organization's.

    With `lock`, the organization's row is locked before its policy is read.
    """
    policy = GatePolicy.objects.filter(model=model).current()
    if policy is None:
        if lock:
            Organization.objects.select_for_update(no_key=True).get(pk=model.organization_id)
        policy = GatePolicy.objects.filter(organization=model.organization_id).current()
    if policy is None or policy.document is None:
        return None, None
    return stored_policy(policy.document), StoredPolicy(policy.owner, policy.version)


def _baseline(version: Version) -> VersionRef | None:
    """Return the promoted version, with which a version is compared; `None` without one.

    The promoted version itself is compared with the one that it replaced: compared with itself, it would always pass.
    """
    model = version.model
    if model.promoted_version_id != version.pk:
        baseline = model.promoted_version
    else:
        promotion = replacing_promotions(model).select_related("previous_version").first()
        baseline = promotion.previous_version if promotion else None
    return VersionRef(baseline.pk, baseline.number) if baseline else None


def replacing_promotions(model: RegisteredModel | Parameter | OuterRef) -> QuerySet[Promotion]:
    """Return the promotions in which the promoted version of a model replaced another version, the newest first."""
    promotions = Promotion.objects.filter(model=model, version__promoted_in=model, previous_version__isnull=False)
    return promotions.exclude(version=F("previous_version")).order_by("-pk")


def verdict_on(
    version: VersionRef,
    *,
    model_id: str,
    task_type: TaskType,
    baseline: VersionRef | None,
    policy: Policy | None,
    stored: StoredPolicy | None,
    compare: Compare | None,
) -> Verdict:
    """Return the verdict of a policy on a version, from its newest snapshot and those that limits compare it with.

    `baseline` is the promoted version. There is no SQL statement without a policy. If a rule asks for confidence in a
    difference, and the examples of both snapshots have never been compared, `compare` compares them now; with `None`
    nothing does.
    """
    now, promoted = timezone.now(), Baseline(baseline.version_id if baseline else None)
    if policy is None:
        return judge(None, task_type, GateInput(model_id, version.version_id, "", None, promoted), judged_at=now)
    found = PolicySnapshots(policy, task_type, model_id, version, baseline)
    gate_input = GateInput(
        model_id,
        version.version_id,
        policy.dataset_split,
        found.measured(version),
        found.compared(promoted, baseline, found.limits_against(PROMOTED), compare),
        baselines=found.baselines(promoted, compare),
        dataset=policy.dataset,
        datasets=found.datasets(),
    )
    return judge(policy, task_type, gate_input, judged_at=now, stored=stored)


def _current(row: Row) -> tuple[Policy | None, StoredPolicy | None]:
    """Return the model's own policy, or else its organization's."""
    for owner in ("model", "organization"):
        newest = row[f"{owner}_policy"]
        if newest and newest["document"]:
            return _read(newest["document"]), StoredPolicy(owner, newest["version"])
    return None, None


@lru_cache(maxsize=256)
def _read(document: str) -> Policy:
    """Return the policy of a stored document. Most have been read before."""
    return stored_policy(json.loads(document))


@cache
def gate_statement(*, newest: bool) -> PreparedQuery:
    """Return the query that reads what a gate needs, of the newest completed version or of a numbered one."""
    model = RegisteredModel.objects.filter(pk=_MODEL)
    completed = Version.objects.filter(model=_MODEL).completed().newest_first()
    version = completed if newest else Version.objects.filter(model=_MODEL, number=_NUMBER)
    own = GatePolicy.objects.filter(model=_MODEL)
    default = GatePolicy.objects.filter(organization=Subquery(model.values("organization")[:1]))
    numbered = {"pk": "pk", "number": "number"}
    replaced = {name: f"previous_version__{column}" for name, column in numbered.items()}
    policy: dict[str, str | Cast] = {"version": "version", "document": Cast("document", TextField())}
    return PreparedQuery(
        account_rows(
            "username",
            task_type=Subquery(model.values("task_type")),
            archived=Exists(model.filter(archived_at__isnull=False)),
            permitted=Exists(model.permitting(Scope.MODEL_READ, USER)),
            newest_completed=Subquery(completed.values("number")[:1]),
            version=first_row(version, **numbered, state="state"),
            promoted=first_row(Version.objects.filter(promoted_in=_MODEL), **numbered),
            replaced=first_row(replacing_promotions(_MODEL), **replaced),
            model_policy=first_row(own.newest_first(), **policy),
            organization_policy=first_row(default.newest_first(), **policy),
        )
    )
