"""Writes of gates: their policies, each edit a new row, and the verdicts that count."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from models_registry.api.errors import InvalidBodyError
from models_registry.registry import ids
from models_registry.registry.locks import lock_unarchived
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import CheckResult
from models_registry.task_types import base
from performance.comparisons.services import Compare, pair, pair_for_promotion
from performance.gates.events import announce_failed_gate
from performance.gates.models import GatePolicy, GateVerdict
from performance.gates.policy import InvalidPolicyError, Policy, validate_for
from performance.gates.selectors import VersionRef, baseline_of, current_policy, judge_version
from performance.gates.verdict import Status, StoredPolicy, Verdict


@transaction.atomic
def set_model_policy(*, model: RegisteredModel, policy: Policy | None, created_by: str) -> GatePolicy:
    """Store the policy of a model, or with `None` that it has none of its own any more.

    A promotion that is under way ends before, and by the policy that was there. Raises `InvalidBodyError`, naming each
    rule that the model's task type does not allow, and `ConflictError` when the model is archived.
    """
    lock_unarchived(model)
    if policy is not None:
        refuse_invalid(policy, [task_types.get(model.task_type)])
    return _add(GatePolicy(model=model), policy, created_by)


@transaction.atomic
def set_organization_policy(*, organization: Organization, policy: Policy | None, created_by: str) -> GatePolicy:
    """Store the policy of an organization's models that have none of their own, or with `None` that there is none.

    Promotions of these models that are under way end before. Raises `InvalidBodyError`, naming each rule that no task
    type allows.
    """
    Organization.objects.select_for_update().get(pk=organization.pk)
    if policy is not None:
        refuse_invalid(policy, task_types.all_task_types())
    return _add(GatePolicy(organization=organization), policy, created_by)


def judge_now(version: Version, policy: Policy | None = None) -> Verdict:
    """Return the verdict of a policy, by default the one in force, on a completed version."""
    model = _model_of(version)
    if policy is not None:
        return _judged(version, model, policy, None, compare=pair)
    return _judged(version, model, *current_policy(model), compare=pair)


def prepare_promotion(version: Version) -> None:
    """Compare the examples that the judgement of a promotion needs, before the model's row is locked."""
    model = _model_of(version)
    policy, stored = current_policy(model)
    if policy is not None and policy.difference_metrics:
        _judged(version, model, policy, stored, compare=pair_for_promotion)


def _model_of(version: Version) -> RegisteredModel:
    model: RegisteredModel = RegisteredModel.objects.select_related("promoted_version").get(pk=version.model_id)
    return model


def _judged(
    version: Version,
    model: RegisteredModel,
    policy: Policy | None,
    stored: StoredPolicy | None,
    *,
    compare: Compare | None,
) -> Verdict:
    return judge_version(
        model_id=model.pk,
        task_type=task_types.get(model.task_type),
        version=VersionRef(version.pk, version.number),
        baseline=baseline_of(model, version),
        policy=policy,
        stored=stored,
        compare=compare,
    )


@transaction.atomic
def judge_promotion(version: Version) -> CheckResult | None:
    """Return what the policy in force says of a version, whose model's row is locked; `None` without a policy.

    Until the transaction that holds the lock ends, the policy in force cannot change: whoever edits it waits for that.
    """
    model = _model_of(version)
    verdict = _judged(version, model, *current_policy(model, lock=True), compare=None)
    if verdict.status is Status.NO_POLICY:
        return None

    def keep(user: User | None, overruled: bool) -> None:
        name = user.username if user else ""
        keep_verdict(verdict, occasion=GateVerdict.Occasion.PROMOTION, requested_by=name, overruled=overruled)

    return CheckResult(
        passed=not verdict.refuses, verdict=verdict.as_document(), detail=f"{verdict.detail} See `verdict`.", keep=keep
    )


def keep_enforced_verdict(verdict: Verdict, *, requested_by: str) -> GateVerdict:
    """Store an enforced verdict, unless it says what the last stored one of that version says; return the stored one.

    A reader who asks again and again thus stores one row for each change, and webhooks hear of each change once.
    """
    return _unchanged(verdict) or _keep_changed(verdict, requested_by)


@transaction.atomic
def _keep_changed(verdict: Verdict, requested_by: str) -> GateVerdict:
    """Store a verdict unless another request stores the same one meanwhile."""
    version = Version.objects.filter(model=verdict.model_id, number=ids.version_number(verdict.version_id))
    version.select_for_update(no_key=True).get()
    occasion = GateVerdict.Occasion.ENFORCEMENT
    return _unchanged(verdict) or keep_verdict(verdict, occasion=occasion, requested_by=requested_by)


def _unchanged(verdict: Verdict) -> GateVerdict | None:
    """Return the last enforced verdict that is stored of the version, if it differs only in when it was judged."""
    last: GateVerdict | None = (
        GateVerdict.objects.filter(
            version__model=verdict.model_id,
            version__number=ids.version_number(verdict.version_id),
            occasion=GateVerdict.Occasion.ENFORCEMENT,
        )
        .order_by("-pk")
        .first()
    )
    same = last is not None and _content(last.document) == _content(verdict.as_document())
    return last if same else None


def _content(document: Mapping[str, Any]) -> Any:
    """Return what a verdict says, without when. PostgreSQL returns large doubles as integers."""
    return json.loads(json.dumps({**document, "judged_at": None}), parse_int=float)


@transaction.atomic
def keep_verdict(
    verdict: Verdict, *, occasion: GateVerdict.Occasion, requested_by: str, overruled: bool = False
) -> GateVerdict:
    """Store a verdict that counts, for good, and tell webhooks if the gate stopped the version.

    They hear nothing of policies that somebody brought along.
    """
    number = ids.version_number(verdict.version_id)
    kept = GateVerdict.objects.create(
        model_id=verdict.model_id,
        version=Version.objects.get(model=verdict.model_id, number=number),
        occasion=occasion,
        status=verdict.status,
        document=verdict.as_document(),
        requested_by=requested_by,
        judged_at=verdict.judged_at,
    )
    if verdict.refuses and verdict.policy is not None and not overruled:
        announce_failed_gate(kept)
    return kept


def refuse_invalid(policy: Policy, known: Iterable[base.TaskType]) -> None:
    """Refuse a policy that models of none of the task types can be judged by. Raises `InvalidBodyError`."""
    try:
        validate_for(policy, known)
    except InvalidPolicyError as error:
        raise InvalidBodyError(
            "The policy cannot be judged by; `errors` names the rule and says why.", error.errors
        ) from None


def _add(row: GatePolicy, policy: Policy | None, created_by: str) -> GatePolicy:
    newest = GatePolicy.objects.filter(model=row.model, organization=row.organization).newest_first().first()
    row.version = newest.version + 1 if newest else 1
    row.document = policy and policy.as_document()
    row.created_by = created_by
    row.save(force_insert=True)
    return row
