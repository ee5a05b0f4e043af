"""Writes of gates: policies, where each edit is a new row, and verdicts."""

import json
from collections.abc import Iterable, Mapping

from django.db import transaction
from prometheus_client import Counter

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from models_registry.api.errors import ConflictError, InvalidBodyError
from models_registry.api.times import utc_text
from models_registry.registry import ids
from models_registry.registry.locks import lock_unarchived
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import CheckResult
from models_registry.task_types import base
from performance.comparisons.services import paired_intervals_for_promotion
from performance.gates.models import GatePolicy, GateVerdict
from performance.gates.policy import InvalidPolicyError, Policy
from performance.gates.policy_checks import validate_policy
from performance.gates.selectors import current_policy, judge_version
from performance.gates.verdict import Status, Verdict, is_verdict_document, order_document
from performance.snapshots.model_fields import decode_floats
from performance.webhooks.services import publish

VERDICTS = Counter("registry_gate_verdicts", "Stored verdicts of gates.", ["status", "occasion"])

_REFUSED = "The policy is not valid; `errors` names each rule and says why."


@transaction.atomic
def set_model_policy(*, model: RegisteredModel, policy: Policy | None, created_by: str) -> GatePolicy:
    """Store a model's own policy, or withdraw it with `None`.

    A promotion that is under way ends first, and uses the previous policy. Raises `InvalidBodyError`, naming each
    rule that the model's task type does not allow, and `ConflictError` when the model is archived or has no policy to
    withdraw.
    """
    lock_unarchived(model)
    if policy is not None:
        refuse_invalid(policy, [task_types.get(model.task_type)], model_id=model.pk)
    return _add(GatePolicy(model=model), policy, created_by)


@transaction.atomic
def set_organization_policy(*, organization: Organization, policy: Policy | None, created_by: str) -> GatePolicy:
    """Store the policy of an organization's models that have none of their own, or withdraw it with `None`.

    Promotions of these models that are under way end first. Raises `InvalidBodyError`, naming each rule that no task
    type allows, and `ConflictError` when there is no policy to withdraw.
    """
    Organization.objects.select_for_update().get(pk=organization.pk)
    if policy is not None:
        refuse_invalid(policy, task_types.all_task_types())
    return _add(GatePolicy(organization=organization), policy, created_by)


class GateCheck:
    """The gate as a promotion check: the model's current policy decides."""

    def prepare(self, version: Version) -> None:
        """Compare the examples that rules with confidence need."""
        policy, _ = current_policy(version.model)
        if policy is not None and policy.difference_metrics:
            judge_version(version, policy=policy, compare=paired_intervals_for_promotion)

    @transaction.atomic
    def check(self, version: Version, *, requested_by: User | None, override: bool) -> CheckResult | None:
        """Store the verdict on a version and return it as a result; `None` without a policy.

        The caller holds the lock of the model's row. The policy cannot change until its transaction ends.
        """
        verdict = judge_version(version, compare=None, lock_policy=True)
        if verdict.status is Status.NO_POLICY:
            return None
        store_verdict(
            verdict,
            version=version,
            occasion=GateVerdict.Occasion.PROMOTION,
            requested_by=requested_by.username if requested_by else "",
            overridden=override,
        )
        return CheckResult(
            passed=not verdict.refuses, verdict=verdict.as_document(), detail=f"{verdict.detail} See `verdict`."
        )

    def represent(self, verdict: Mapping[str, object]) -> Mapping[str, object] | None:
        """Return a verdict with its members in the order of a new one; `None` if it is not a gate's."""
        return order_document(verdict) if is_verdict_document(verdict) else None


def store_enforced_verdict(verdict: Verdict, *, requested_by: str) -> None:
    """Store an enforced verdict, unless the last stored one of that version has the same content.

    Requests that are repeated thus store one row for each change, and webhooks receive each change once.
    """
    if _is_stored(verdict):
        return
    with transaction.atomic():
        versions = Version.objects.filter(model=verdict.model_id, number=ids.version_number(verdict.version_id))
        version = versions.select_for_update(no_key=True).get()
        if not _is_stored(verdict):  # by another request, before the row was locked
            occasion = GateVerdict.Occasion.ENFORCEMENT
            store_verdict(verdict, version=version, occasion=occasion, requested_by=requested_by)


def _is_stored(verdict: Verdict) -> bool:
    """Return whether the last enforced verdict on the version differs only in when it was judged."""
    last: GateVerdict | None = (
        GateVerdict.objects.filter(
            version__model=verdict.model_id,
            version__number=ids.version_number(verdict.version_id),
            occasion=GateVerdict.Occasion.ENFORCEMENT,
        )
        .order_by("-pk")
        .first()
    )
    return last is not None and _content(last.document) == _content(verdict.as_document())


def _content(document: Mapping[str, object]) -> object:
    """Return a verdict without its time. PostgreSQL returns large doubles as integers."""
    return decode_floats(json.dumps({**document, "judged_at": None}))


@transaction.atomic
def store_verdict(
    verdict: Verdict,
    *,
    version: Version,
    occasion: GateVerdict.Occasion,
    requested_by: str,
    overridden: bool = False,
) -> None:
    """Store a verdict, and notify webhooks if the gate stopped the version.

    Webhooks receive nothing about verdicts by a policy that is not stored.
    """
    stored = GateVerdict.objects.create(
        model_id=verdict.model_id,
        version=version,
        occasion=occasion,
        status=verdict.status,
        document=verdict.as_document(),
        requested_by=requested_by,
        judged_at=verdict.judged_at,
    )
    transaction.on_commit(VERDICTS.labels(verdict.status.value, occasion.value).inc)
    if verdict.refuses and verdict.policy is not None and not overridden:
        _publish_failure(stored)


def _publish_failure(verdict: GateVerdict) -> None:
    rules = verdict.document["rules"]
    data = {
        "version_id": verdict.version.version_id,
        "verdict_id": str(verdict.pk),
        "occasion": verdict.occasion,
        "failed": [{name: rule[name] for name in ("metric", "detail")} for rule in rules if rule["status"] != "passed"],
        "judged_at": utc_text(verdict.judged_at),
    }
    publish("gate.failed", verdict.model, [data])


def refuse_invalid(policy: Policy, known: Iterable[base.TaskType], *, model_id: str | None = None) -> None:
    """Refuse a policy as `validate_policy` does, by a problem response. Raises `InvalidBodyError`."""
    try:
        validate_policy(policy, known, model_id=model_id)
    except InvalidPolicyError as error:
        raise InvalidBodyError(_REFUSED, error.errors) from None


def _add(row: GatePolicy, policy: Policy | None, created_by: str) -> GatePolicy:
    newest = GatePolicy.objects.filter(model=row.model, organization=row.organization).newest_first().first()
    if policy is None and (newest is None or newest.document is None):
        raise ConflictError("There is no policy to withdraw.")
    row.version = newest.version + 1 if newest else 1
    row.document = policy and policy.as_document()
    row.created_by = created_by
    row.save(force_insert=True)
    return row
