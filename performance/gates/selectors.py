"""Reads of gates: two SQL statements for a verdict, however many rules the policy has.

Rules on slices take one more, and so do limits against other versions than the promoted one. If these require
confidence, the stored comparisons with the other versions take one more again.
"""

import json
from datetime import datetime
from functools import cache, lru_cache
from typing import NamedTuple

from django.db import DEFAULT_DB_ALIAS
from django.db.models import (
    Case,
    CharField,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Concat
from django.utils import timezone

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from models_registry.accounts.scopes import Scope
from models_registry.db.prepared import Parameter, PreparedQuery, first_row
from models_registry.registry import ids
from models_registry.registry.errors import ModelNotFoundError
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.task_types.base import TaskType
from models_registry.tokens.jwt import Caller
from models_registry.tokens.selectors import USER, account_rows, check_login
from performance.comparisons.services import Compare, paired_intervals
from performance.gates.gate_input import PROMOTED_ROLE, REPLACED_ROLE
from performance.gates.known_verdicts import Question, find_json, find_verdict
from performance.gates.models import GatePolicy
from performance.gates.policy import Policy, stored_policy
from performance.gates.policy_snapshots import VersionRef
from performance.gates.querysets import GatePolicyQuerySet
from performance.gates.verdict import StoredPolicy, Verdict
from performance.gates.verdict_json import VerdictJSON
from performance.snapshots.selectors import SnapshotLookup

_MODEL = Parameter("model", CharField())
_NUMBER = Parameter("number", IntegerField())


class GateContext(NamedTuple):
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
        return _verdict_on(self._question(self.policy, self.stored), paired_intervals)

    def verdict_by(self, policy: Policy) -> Verdict:
        """Return the verdict by another policy. Raises what `SnapshotLookup.completed_version` raises."""
        return _verdict_on(self._question(policy, None), paired_intervals)

    def verdict_json(self, judged_at: datetime) -> VerdictJSON:
        """Return the JSON of the verdict by the current policy, which may be kept. Raises what `verdict` raises."""
        question = self._question(self.policy, self.stored)
        return find_json(question, question.read_rows(), paired_intervals, judged_at)

    def _question(self, policy: Policy | None, stored: StoredPolicy | None) -> Question:
        version_id = self.reading.completed_version()
        version = VersionRef(self.version_pk or 0, ids.version_number(version_id))
        return Question(policy, stored, self.reading.task_type, self.reading.model_id, version, self.baseline)


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
    if row["model"] is None:
        raise ModelNotFoundError(f"There is no model {model_id[:40]!r}. Check the id.")
    model = json.loads(row["model"])
    version = json.loads(row["version"]) if row["version"] else dict.fromkeys(("pk", "number", "state"))
    reading = SnapshotLookup(
        model_id=model_id,
        task_type=model["task_type"],
        permitted=bool(row["is_superuser"] or row["permitted"]) and Scope.MODEL_READ in caller.scopes,
        dataset_split="",
        asked_for=version_id,
        newest_completed=version["number"] if version_id is None else row["newest_completed"],
        number=version["number"],
        version_state=version["state"],
        newest=None,
        database=DEFAULT_DB_ALIAS,
    )
    baseline = VersionRef(model["promoted"], model["number"]) if model["promoted"] else None
    if baseline and baseline.pk == version["pk"]:
        baseline = VersionRef(**json.loads(row["replaced"]), role=REPLACED_ROLE) if row["replaced"] else None
    policy, stored = _read_policy(row["policy"]) if row["policy"] else (None, None)
    archived = model["archived_at"] is not None
    return GateContext(reading, version["pk"], baseline, policy, stored, row["username"], archived)


def may_write(caller: Caller, model_id: str) -> bool:
    """Return whether a caller holds `model:write` on a model, by the token and by role or grant."""
    permitting = RegisteredModel.objects.filter(pk=model_id).permitting(Scope.MODEL_WRITE, caller.pk)
    users = User.objects.filter(Q(is_superuser=True) | Exists(permitting), pk=caller.pk)
    return Scope.MODEL_WRITE in caller.scopes and users.exists()


def judge_version(
    version: Version, *, policy: Policy | None = None, compare: Compare | None, lock_policy: bool = False
) -> Verdict:
    """Return the verdict on a version, by default by its model's current policy.

    `version.model` must be up to date. `compare` is as for `find_verdict`. With `lock_policy`, the current policy
    cannot change until the transaction ends, if the caller holds the lock of the model's row.
    """
    model, stored = version.model, None
    if policy is None:
        policy, stored = current_policy(model, lock=lock_policy)
    judged = VersionRef(version.pk, version.number)
    return _verdict_on(Question(policy, stored, model.task_type, model.pk, judged, _baseline(version)), compare)


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
        baseline, role = model.promoted_version, PROMOTED_ROLE
    else:
        promotion = replacing_promotions(model).select_related("previous_version").first()
        baseline, role = promotion.previous_version if promotion else None, REPLACED_ROLE
    return VersionRef(baseline.pk, baseline.number, role) if baseline else None


def replacing_promotions(model: RegisteredModel | Parameter | OuterRef) -> QuerySet[Promotion]:
    """Return the promotions in which the promoted version of a model replaced another version, the newest first."""
    promotions = Promotion.objects.filter(
        model=model, version=F("model__promoted_version"), previous_version__isnull=False
    )
    return promotions.exclude(version=F("previous_version")).order_by("-pk")


def _verdict_on(question: Question, compare: Compare | None) -> Verdict:
    return find_verdict(question, question.read_rows(), compare, timezone.now())


@lru_cache(maxsize=256)
def _read_policy(text: str) -> tuple[Policy, StoredPolicy]:
    """Return the policy of a row of `_policy_text`. Most have been read before."""
    owner, version, document = text.split(" ", 2)
    return stored_policy(json.loads(document)), StoredPolicy(owner, int(version))


def _policy_text(owner: str, policies: GatePolicyQuerySet) -> Subquery:
    """Return the newest of an owner's policies as text: the owner, the version and the document; null without one."""
    version, document = Cast("version", TextField()), Cast("document", TextField())
    text = Concat(Value(f"{owner} "), version, Value(" "), document, output_field=TextField())
    unless_withdrawn = Case(When(document__isnull=False, then=text))
    return Subquery(policies.newest_first().annotate(text=unless_withdrawn).values("text")[:1])


@cache
def gate_statement(*, newest: bool) -> PreparedQuery:
    """Return the query that reads what a gate needs, of the newest completed version or of a numbered one."""
    model = RegisteredModel.objects.filter(pk=_MODEL)
    completed = Version.objects.filter(model=_MODEL).completed().newest_first()
    version = completed if newest else Version.objects.filter(model=_MODEL, number=_NUMBER)
    own = GatePolicy.objects.filter(model=_MODEL)
    default = GatePolicy.objects.filter(organization=Subquery(model.values("organization")[:1]))
    promoted = {"promoted": "promoted_version__pk", "number": "promoted_version__number"}
    replaced = {"pk": "previous_version__pk", "number": "previous_version__number"}
    rows = {
        "model": first_row(model, task_type="task_type", archived_at="archived_at", **promoted),
        "version": first_row(version, pk="pk", number="number", state="state"),
        "replaced": first_row(replacing_promotions(_MODEL), **replaced),
    }
    return PreparedQuery(
        account_rows(
            "username",
            permitted=Exists(model.permitting(Scope.MODEL_READ, USER)),
            policy=Coalesce(_policy_text("model", own), _policy_text("organization", default)),
            **({} if newest else {"newest_completed": Subquery(completed.values("number")[:1])}),
            **{name: Cast(row, TextField()) for name, row in rows.items()},  # as Django decodes JSON slowly
        )
    )
