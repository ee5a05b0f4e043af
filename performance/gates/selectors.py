"""Reads of gates: two SQL statements for a verdict, however many rules the policy has."""

import json
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import BigIntegerField, CharField, Exists, F, IntegerField, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, JSONObject
from django.utils import timezone

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from models_registry.accounts.scopes import Scope
from models_registry.db.prepared import Parameter, PreparedQuery
from models_registry.registry import ids
from models_registry.registry.errors import ModelNotFoundError
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.task_types.base import TaskType
from models_registry.tokens.jwt import Caller
from models_registry.tokens.selectors import USER, account_rows, check_login
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.comparisons.services import PENDING, UNAVAILABLE, Compare, Paired, pair, paired
from performance.gates.gate_input import GateInput
from performance.gates.gate_metrics import named_values
from performance.gates.models import GatePolicy
from performance.gates.policy import Policy, stored_policy
from performance.gates.verdict import StoredPolicy, Verdict, judge
from performance.metrics.comparison import MetricValues
from performance.metrics.statistics.differences import independent_interval
from performance.metrics.statistics.intervals import Interval, stored_intervals
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.selectors import SnapshotLookup

_MODEL = Parameter("model", CharField())
_NUMBER = Parameter("number", IntegerField())
_VERSION = Parameter("version", BigIntegerField())
_BASELINE = Parameter("baseline", BigIntegerField())
_SPLIT = Parameter("split", CharField())
_CHOICES = ("positive_class", "averaging")
_DETAILS = ("further_metrics", "custom_metrics", "per_class", "confidence_intervals")


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A version's primary key, and its number within the model."""

    pk: int
    number: int

    @property
    def version_id(self) -> str:
        """The public id."""
        return ids.version_id(self.number)


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
            compare=pair,
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
        metrics=None,
        evaluated_at=None,
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
    policy: Any = GatePolicy.objects.filter(model=model).current()
    if policy is None:
        if lock:
            Organization.objects.select_for_update(no_key=True).get(pk=model.organization_id)
        policy = GatePolicy.objects.filter(organization=model.organization_id).current()
    if policy is None:
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
        promotion = _replacing(model).select_related("previous_version").first()
        baseline = promotion.previous_version if promotion else None
    return VersionRef(baseline.pk, baseline.number) if baseline else None


def _replacing(model: Any) -> QuerySet[Promotion]:
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
    """Return the verdict of a policy on a version and its baseline, from their newest snapshots.

    One SQL statement, and none without a policy. If a rule asks for confidence in a difference, and the examples of
    both snapshots have never been compared, `compare` compares them now; with `None` nothing does.
    """
    case = GateInput(
        model_id,
        version.version_id,
        policy.dataset_split if policy else "",
        measured=None,
        baseline_version_id=baseline.version_id if baseline else None,
    )
    if policy is not None:
        pks = version.pk, baseline.pk if baseline else 0
        case = _measured_case(case, policy, task_type, *pks, compare=compare)
    return judge(policy, task_type, case, judged_at=timezone.now(), stored=stored)


def _measured_case(
    case: GateInput, policy: Policy, task_type: TaskType, version: int, baseline: int, *, compare: Compare | None
) -> GateInput:
    rows = _snapshots(_details(policy, task_type)).all(version=version, baseline=baseline, split=case.dataset_split)
    found = {row["version_id"]: row for row in rows}
    now, before = (
        _measured(found[pk], policy.confidence_metrics) if pk in found else None for pk in (version, baseline)
    )
    differences = _differences(policy, now, before)
    status = None
    if differences:
        known = _paired(found[version], found[baseline], compare=compare)
        differences |= {name: interval for name, interval in known.intervals.items() if name in differences}
        status = known.status
    return replace(case, measured=now, baseline=before, differences=differences, pairing=status)


def _paired(row: dict[str, Any], before: dict[str, Any], *, compare: Compare | None) -> Paired:
    """Return the paired comparison of two snapshots, given as rows."""
    if row["paired"] is not None:
        return paired(stored_intervals(row["paired"]))
    if None in (row["detail__predictions_digest"], before["detail__predictions_digest"]):
        return UNAVAILABLE
    if compare is None:
        unfinished = ComparisonJob.objects.filter(snapshot=row["pk"], baseline=before["pk"], due_at__isnull=False)
        return PENDING if unfinished.exists() else UNAVAILABLE
    snapshots = MetricSnapshot.objects.select_related("version__model", "detail").defer_large()
    found = snapshots.in_bulk([row["pk"], before["pk"]])
    return compare(found[row["pk"]], found[before["pk"]])


def _details(policy: Policy, task_type: TaskType) -> tuple[str, ...]:
    """Return the details of snapshots that the rules use. The others would take time to read."""
    names = {rule.metric for rule in policy.rules}
    limited = (metric for metric in task_type.all_metrics if metric.name in policy.regression_metrics)
    looked_at = {
        "further_metrics": not names.isdisjoint(metric.name for metric in task_type.further),
        "custom_metrics": any(name.startswith("custom.") for name in names),
        "per_class": any(name.startswith("per_class.") for name in names),
        "confidence_intervals": bool(policy.confidence_metrics),
        **dict.fromkeys(_CHOICES, any(metric.depends_on_averaging for metric in limited)),
    }
    return tuple(name for name, needed in looked_at.items() if needed)


def _measured(row: dict[str, Any], with_confidence: frozenset[str]) -> MetricValues:
    """Return the values of a row, with the intervals that rules ask for."""
    further, custom, per_class, intervals = (row.get(f"detail__{name}") or {} for name in _DETAILS)
    values = named_values(
        {**further, **row["metrics"]}, sample_count=row["sample_count"], custom=custom, per_class=per_class
    )
    found = stored_intervals({name: intervals[name] for name in with_confidence & intervals.keys()})
    return MetricValues(values, found, *(row.get(f"detail__{name}") for name in _CHOICES))


def _differences(policy: Policy, measured: MetricValues | None, baseline: MetricValues | None) -> dict[str, Interval]:
    """Return the intervals of the differences for which rules ask."""
    if measured is None or baseline is None:
        return {}
    found = {
        name: independent_interval(
            measured.values[name], measured.intervals.get(name), before, baseline.intervals.get(name)
        )
        for name in policy.difference_metrics & measured.values.keys()
        if (before := baseline.values.get(name)) is not None
    }
    return {name: interval for name, interval in found.items() if interval}


def _current(row: dict[str, Any]) -> tuple[Policy | None, StoredPolicy | None]:
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


def _row(rows: QuerySet[Any], **columns: Any) -> Subquery:
    """Return some columns of the first row as one column: a subquery for each would look for the row again.

    That also keeps the statement short: psycopg parses one of more than 4,096 characters each time.
    """
    return Subquery(rows.annotate(row=JSONObject(**columns)).values("row")[:1])


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
    policy = {"version": "version", "document": Cast("document", TextField())}
    return PreparedQuery(
        account_rows(
            "username",
            task_type=Subquery(model.values("task_type")),
            archived=Exists(model.filter(archived_at__isnull=False)),
            permitted=Exists(model.permitting(Scope.MODEL_READ, USER)),
            newest_completed=Subquery(completed.values("number")[:1]),
            version=_row(version, **numbered, state="state"),
            promoted=_row(Version.objects.filter(promoted_in=_MODEL), **numbered),
            replaced=_row(_replacing(_MODEL), **replaced),
            model_policy=_row(own.newest_first(), **policy),
            organization_policy=_row(default.newest_first(), **policy),
        )
    )


@cache
def _snapshots(details: tuple[str, ...]) -> PreparedQuery:
    """Return the statement for the newest snapshots of two versions on one split, with their paired comparison."""

    def newest(version: Parameter) -> Subquery:
        snapshots = MetricSnapshot.objects.filter(version=version, dataset_split=_SPLIT)
        return Subquery(snapshots.newest_first().values("pk")[:1])

    rows: Any = MetricSnapshot.objects.filter(Q(pk=newest(_VERSION)) | Q(pk=newest(_BASELINE)))
    comparisons = PairedComparison.objects.filter(snapshot=newest(_VERSION), baseline=newest(_BASELINE))
    columns = ["version_id", "metrics", "sample_count", *(f"detail__{name}" for name in details)]
    if "confidence_intervals" not in details:
        return PreparedQuery(rows.values(*columns))
    paired = {"paired": Subquery(comparisons.values("intervals"))}
    return PreparedQuery(rows.values(*columns, "pk", "detail__predictions_digest", **paired))
