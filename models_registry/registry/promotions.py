"""Promotion and rollback: which version of a model is in production, what may refuse it, and who is told."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from models_registry.accounts.models import User
from models_registry.api.errors import ConflictError
from models_registry.registry.errors import GateFailedError
from models_registry.registry.locks import lock_unarchived
from models_registry.registry.models import Promotion, RegisteredModel, Version


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether a version may be promoted. `verdict` is kept with the promotion; `detail` is told when it may not.

    `keep` stores the verdict in the name of whoever promotes, and is told whether it is overruled.
    """

    passed: bool
    verdict: dict[str, Any]
    detail: str
    keep: Callable[..., object] = lambda user, overruled: None


# Says whether a version may be promoted, or `None` when it has nothing to say of this model.
PromotionCheck = Callable[[Version], CheckResult | None]

# Does beforehand, while no lock is held, what judging a version would take long for.
Prepare = Callable[[Version], None]

# Is told of each promotion and rollback, in its transaction.
Listener = Callable[[Promotion], None]

_ADMINS_MAY = " It was promoted against its gate before: an admin may go back to it, with `override` and a reason."

_judges: dict[PromotionCheck, Prepare] = {}
_listeners: list[Listener] = []


def register_promotion_check(judge: PromotionCheck, *, prepare: Prepare = lambda version: None) -> None:
    """Have every promotion judged by `judge`, in the promotion's own transaction."""
    _judges[judge] = prepare


def unregister_promotion_check(judge: PromotionCheck) -> None:
    """Take a judge away again. Raises `KeyError` when it was not registered."""
    del _judges[judge]


def register_listener(listener: Listener) -> None:
    """Have `listener` told of every promotion and rollback, in its own transaction."""
    _listeners.append(listener)


def prepare_promotion(version: Version) -> None:
    """Have judges do what takes long before a version is promoted. It changes no judgement but for the better known."""
    for prepare in _judges.values():
        prepare(version)


@transaction.atomic
def promote(*, version: Version, promoted_by: User | None, reason: str, override: bool = False) -> Promotion:
    """Make a completed version its model's promoted one, and record it.

    Promoting the promoted version again is recorded too, and counts as one promotion with the first where it comes to
    rolling back. With `override`, a judge that refuses is overruled. Raises `ConflictError` when the model is archived
    or the version is not completed, and `GateFailedError`.
    """
    model = lock_unarchived(version.model)
    version.refresh_from_db(fields=["state"])
    if version.state != Version.State.COMPLETED:
        raise ConflictError(f"{version.version_id} is {version.state}; only a completed version can be promoted.")
    judgement = _judge(version, override=override)
    again = model.promoted_version_id == version.pk
    return _set_promoted(
        model,
        version,
        judgement,
        restores=_in_effect(_last(model)) if again else None,
        promoted_by=promoted_by,
        reason=reason,
    )


@transaction.atomic
def roll_back(*, model: RegisteredModel, promoted_by: User | None, reason: str, override: bool = False) -> Promotion:
    """Promote the previously promoted version again, and record it.

    A rollback after a rollback goes one promotion further back, never forward to what was rolled back. What was let
    through before is not judged again, as nothing may be in the way of going back to it. What an admin promoted against
    a judge is, and `override` overrules it. Raises `ConflictError` when there is nothing to go back to, and
    `GateFailedError`.
    """
    locked = lock_unarchived(model)
    earlier = _before(_in_effect(_last(locked)))
    if earlier is None:
        raise ConflictError(f"{model.pk} has no earlier promotion to roll back to.")
    judgement = None
    if not _was_let_through(earlier.version):
        judgement = _judge(earlier.version, override=override, advice=_ADMINS_MAY)
    return _set_promoted(locked, earlier.version, judgement, promoted_by=promoted_by, reason=reason, restores=earlier)


def _was_let_through(version: Version) -> bool:
    """Say whether a version was promoted without overruling a judge, or came back so."""
    return Promotion.objects.filter(version=version, overridden=False).exists()


def _judge(version: Version, *, override: bool, advice: str = "") -> CheckResult | None:
    """Return what is kept with a promotion. Raises `GateFailedError`, with advice in its detail."""
    judgements = [judgement for judge in _judges if (judgement := judge(version)) is not None]
    failed = next((judgement for judgement in judgements if not judgement.passed), None)
    if failed is not None and not override:
        raise GateFailedError(f"{failed.detail}{advice}", failed.verdict, partial(failed.keep, overruled=False))
    return failed or next(iter(judgements), None)


def _set_promoted(
    model: RegisteredModel, version: Version, judgement: CheckResult | None, *, promoted_by: User | None, **details: Any
) -> Promotion:
    overridden = judgement is not None and not judgement.passed
    if judgement is not None:
        judgement.keep(promoted_by, overridden)
    promotion = Promotion.objects.create(
        model=model,
        version=version,
        previous_version=model.promoted_version,
        promoted_by=promoted_by,
        verdict=judgement and judgement.verdict,
        overridden=overridden,
        **details,
    )
    model.promoted_version = version
    model.save(update_fields=["promoted_version"])
    for listener in _listeners:
        listener(promotion)
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
