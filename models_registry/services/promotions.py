"""Promotion and rollback: which version of a model is in production, what may refuse it, and who is told."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from models_registry.exceptions import ConflictError, GateFailedError
from models_registry.models import Promotion, RegisteredModel, User, Version
from models_registry.services.locks import lock_unarchived


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a version may be promoted. `verdict` is kept with the promotion; `detail` is told when it may not.

    `keep` stores the verdict in the name of whoever promotes, and is told whether it is overruled.
    """

    passed: bool
    verdict: dict[str, Any]
    detail: str
    keep: Callable[..., object] = lambda user, overruled: None


# Says whether a version may be promoted, or `None` when it has nothing to say of this model.
Judge = Callable[[Version], Judgement | None]

# Is told of each promotion and rollback, in its transaction.
Listener = Callable[[Promotion], None]

_judges: list[Judge] = []
_listeners: list[Listener] = []


def register_judge(judge: Judge) -> None:
    """Have every promotion judged by `judge`, in the promotion's own transaction."""
    _judges.append(judge)


def unregister_judge(judge: Judge) -> None:
    """Take a judge away again. Raises `ValueError` when it was not registered."""
    _judges.remove(judge)


def register_listener(listener: Listener) -> None:
    """Have `listener` told of every promotion and rollback, in its own transaction."""
    _listeners.append(listener)


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
    if judgement is not None:
        judgement.keep(promoted_by, not judgement.passed)
    again = model.promoted_version_id == version.pk
    return _set_promoted(
        model,
        version,
        restores=_in_effect(_last(model)) if again else None,
        promoted_by=promoted_by,
        reason=reason,
        verdict=judgement and judgement.verdict,
        overridden=judgement is not None and not judgement.passed,
    )


@transaction.atomic
def roll_back(*, model: RegisteredModel, promoted_by: User | None, reason: str) -> Promotion:
    """Promote the previously promoted version again, and record it.

    A rollback after a rollback goes one promotion further back, never forward to what was rolled back. Nothing judges
    it: what is restored was let through before, or an admin overruled the judge. Raises `ConflictError` when there is
    nothing to go back to.
    """
    locked = lock_unarchived(model)
    earlier = _before(_in_effect(_last(locked)))
    if earlier is None:
        raise ConflictError(f"{model.pk} has no earlier promotion to roll back to.")
    return _set_promoted(
        locked,
        earlier.version,
        promoted_by=promoted_by,
        reason=reason,
        restores=earlier,
        overridden=earlier.overridden,
    )


def _judge(version: Version, *, override: bool) -> Judgement | None:
    judgements = [judgement for judge in _judges if (judgement := judge(version)) is not None]
    failed = next((judgement for judgement in judgements if not judgement.passed), None)
    if failed is not None and not override:
        raise GateFailedError(failed.detail, failed.verdict, partial(failed.keep, overruled=False))
    return failed or next(iter(judgements), None)


def _set_promoted(model: RegisteredModel, version: Version, **details: Any) -> Promotion:
    promotion = Promotion.objects.create(
        model=model, version=version, previous_version=model.promoted_version, **details
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
