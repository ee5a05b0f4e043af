"""Writes of gates: their policies, each edit a new row."""

from typing import Any

from django.db import transaction

from models_registry import task_types
from models_registry.exceptions import InvalidBodyError
from models_registry.models import Organization, RegisteredModel
from models_registry.services.locks import lock_unarchived
from performance.gates.policy import InvalidPolicyError, Policy, check
from performance.models import GatePolicy


@transaction.atomic
def set_model_policy(*, model: RegisteredModel, policy: Policy | None, created_by: str) -> GatePolicy:
    """Store the policy of a model, or with `None` that it has none of its own any more.

    A promotion that is under way ends before, and by the policy that was there. Raises `InvalidBodyError`, naming each
    rule that the model's task type does not allow, and `ConflictError` when the model is archived.
    """
    lock_unarchived(model)
    _check(policy, [task_types.get(model.task_type)])
    return _add(GatePolicy(model=model), policy, created_by)


@transaction.atomic
def set_organization_policy(*, organization: Organization, policy: Policy | None, created_by: str) -> GatePolicy:
    """Store the policy of an organization's models that have none of their own, or with `None` that there is none.

    Promotions of these models that are under way end before. Raises `InvalidBodyError`, naming each rule that no task
    type allows.
    """
    Organization.objects.select_for_update().get(pk=organization.pk)
    _check(policy, task_types.all_task_types())
    return _add(GatePolicy(organization=organization), policy, created_by)


def invalid(error: InvalidPolicyError) -> InvalidBodyError:
    """Return the error of a body that holds this policy."""
    return InvalidBodyError("The policy cannot be judged by; `errors` names the rule and says why.", error.faults)


def _check(policy: Policy | None, known: Any) -> None:
    if policy is None:
        return
    try:
        check(policy, known)
    except InvalidPolicyError as error:
        raise invalid(error) from None


def _add(row: GatePolicy, policy: Policy | None, created_by: str) -> GatePolicy:
    newest = GatePolicy.objects.filter(model=row.model, organization=row.organization).newest_first().first()
    row.version = newest.version + 1 if newest else 1
    row.document = policy and policy.as_document()
    row.created_by = created_by
    row.save(force_insert=True)
    return row
