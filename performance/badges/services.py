"""Create and revoke badges."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from models_registry import task_types
from models_registry.accounts.models import User
from models_registry.api.errors import InvalidBodyError
from models_registry.registry.locks import lock_unarchived
from models_registry.registry.models import RegisteredModel
from performance.badges.models import Badge
from performance.snapshots.models import MetricSnapshot


@transaction.atomic
def create_badge(
    *, model: RegisteredModel, metric: str, dataset_split: str, lifetime: timedelta, created_by: User
) -> Badge:
    """Store a badge of a metric on a split or, if both are empty, of the gate's verdict.

    Raises `InvalidBodyError` for a metric that neither the task type nor any snapshot has, and `ConflictError` if the
    model is archived.
    """
    lock_unarchived(model)
    if metric:
        _refuse_unknown(model, metric, dataset_split)
    now = timezone.now()
    return Badge.objects.create(
        model=model,
        metric=metric,
        dataset_split=dataset_split,
        created_by=created_by,
        created_at=now,
        expires_at=now + lifetime,
    )


def revoke_badge(*, badge: Badge) -> Badge:
    """Revoke a badge, so that nobody sees it any more. A repeated call keeps the first time."""
    if badge.revoked_at is None:
        badge.revoked_at = timezone.now()
        badge.save(update_fields=["revoked_at"])
    return badge


def _refuse_unknown(model: RegisteredModel, metric: str, dataset_split: str) -> None:
    declared = [each.name for each in task_types.get(model.task_type).all_metrics]
    snapshots = MetricSnapshot.objects.for_model(model.pk, dataset_split)
    if metric not in declared and not snapshots.with_metric(metric, "detail__custom_metrics").exists():
        message = (
            f"Neither a metric of {model.task_type} nor a custom one on {dataset_split}; use {', '.join(declared)}."
        )
        raise InvalidBodyError("There is no such metric; `errors` lists the metrics.", [("metric", "unknown", message)])
