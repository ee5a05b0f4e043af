"""Promotion and rollback: which version of a model is in production, and what may refuse it.

Callers of `promote` and `roll_back` hold the lock of the model's row, and have read the model since.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from django.db import transaction
from django.dispatch import Signal

from models_registry.accounts.models import User
from models_registry.api.errors import ConflictError
from models_registry.registry.locks import refuse_archived
from models_registry.registry.models import Promotion, RegisteredModel, Version

# Sent with `promotion`, in its transaction, after each promotion and rollback.
version_promoted = Signal()

_ADMINS_MAY = " It was promoted against its gate before: an admin may go back to it, with `override` and a reason."


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether a version may be promoted. `detail` says why not; `verdict` is stored with a promotion."""

    passed: bool
    verdict: Mapping[str, object]
    detail: str


class PromotionCheck(Protocol):
    """Decides whether a version may be promoted."""

    def prepare(self, version: Version) -> None:
        """Compute in advance what `check` reads, while no lock is held. It never changes the result."""

    def check(self, version: Version, *, requested_by: User | None, override: bool) -> CheckResult | None:
        """Return whether a version may be promoted; `None` if nothing is required of it.

        It runs in the promotion's transaction, which is committed even if the promotion is refused, so that it may
        store its verdict. With `override`, the version is promoted whatever the result is.
        """

    def represent(self, verdict: Mapping[str, object]) -> Mapping[str, object] | None:
        """Return a stored verdict in the order in which `check` returned it; `None` if another check returned it.

        PostgreSQL does not keep the order of members.
        """


_checks: list[PromotionCheck] = []


def register_promotion_check(check: PromotionCheck) -> None:
    """Check every promotion with `check`."""
    _checks.append(check)


def unregister_promotion_check(check: PromotionCheck) -> None:
    """Remove a check. Raises `ValueError` if it is not registered."""
    _checks.remove(check)


def prepare_promotion(version: Version) -> None:
    """Let each check compute in advance what takes long, before the model's row is locked."""
    for check in _checks:
        check.prepare(version)


def represent_verdict(verdict: Mapping[str, object]) -> Mapping[str, object]:
    """Return a stored verdict as the check that returned it represents it."""
    represented = (check.represent(verdict) for check in _checks)
    return next((each for each in represented if each is not None), verdict)


@transaction.atomic
def promote(
    *, version: Version, promoted_by: User | None, reason: str, override: bool = False
) -> Promotion | CheckResult:
    """Promote a completed version, and record it. Return the promotion, or the check that refuses it.

    Promoting the promoted version again is recorded as well. A rollback treats both as one promotion. With `override`,
    no check refuses. Raises `ConflictError` if the model is archived or the version is not completed.
    """
    model = version.model
    refuse_archived(model)
    if version.state != Version.State.COMPLETED:
        raise ConflictError(f"{version.version_id} is {version.state}; only a completed version can be promoted.")
    result = _check(version, requested_by=promoted_by, override=override)
    if result and not result.passed and not override:
        return result
    again = model.promoted_version_id == version.pk
    restores = _in_effect(_last(model)) if again else None
    return _set_promoted(version, result, restores=restores, promoted_by=promoted_by, reason=reason)


@transaction.atomic
def roll_back(
    *, model: RegisteredModel, promoted_by: User | None, reason: str, override: bool = False
) -> Promotion | CheckResult:
    """Promote the previously promoted version again, and record it. Return the promotion, or the check that refuses it.

    A rollback after a rollback goes one promotion further back, never forward to what was rolled back. A version that
    was promoted without an override is not checked again, so that nothing delays going back to it. Raises
    `ConflictError` if the model is archived or has no earlier promotion.
    """
    refuse_archived(model)
    earlier = rollback_target(model)
    if earlier is None:
        raise ConflictError(f"{model.pk} has no earlier promotion to roll back to.")
    version = earlier.version
    version.model = model
    result = None
    if is_checked_again(version):
        result = _check(version, requested_by=promoted_by, override=override)
        if result and not result.passed and not override:
            return replace(result, detail=f"{result.detail}{_ADMINS_MAY}")
    return _set_promoted(version, result, restores=earlier, promoted_by=promoted_by, reason=reason)


def rollback_target(model: RegisteredModel) -> Promotion | None:
    """Return the promotion that a rollback of the model restores; `None` if there is no earlier one."""
    return _before(_in_effect(_last(model)))


def is_checked_again(version: Version) -> bool:
    """Return whether a rollback to the version is checked: it was only ever promoted with an override."""
    return not Promotion.objects.filter(version=version, overridden=False).exists()


def _check(version: Version, *, requested_by: User | None, override: bool) -> CheckResult | None:
    """Return the first refusal, or else the first result; `None` if nothing is required of the version."""
    checked = [check.check(version, requested_by=requested_by, override=override) for check in _checks]
    results = [result for result in checked if result is not None]
    return next((result for result in results if not result.passed), next(iter(results), None))


def _set_promoted(
    version: Version,
    result: CheckResult | None,
    *,
    promoted_by: User | None,
    reason: str,
    restores: Promotion | None = None,
) -> Promotion:
    model = version.model
    promotion = Promotion.objects.create(
        model=model,
        version=version,
        previous_version=model.promoted_version,
        verdict=result and result.verdict,
        overridden=result is not None and not result.passed,
        promoted_by=promoted_by,
        reason=reason,
        restores=restores,
    )
    model.promoted_version = version
    model.save(update_fields=["promoted_version"])
    version_promoted.send(Promotion, promotion=promotion)
    return promotion


def _last(model: RegisteredModel) -> Promotion | None:
    return model.promotions.order_by("pk").last()


def _in_effect(promotion: Promotion | None) -> Promotion | None:
    """Return the earlier promotion that this one put in effect again, or the promotion itself."""
    return promotion and (promotion.restores or promotion)


def _before(promotion: Promotion | None) -> Promotion | None:
    """Return the promotion that was in effect when this one was made."""
    if promotion is None:
        return None
    return _in_effect(Promotion.objects.filter(model=promotion.model, pk__lt=promotion.pk).order_by("pk").last())
