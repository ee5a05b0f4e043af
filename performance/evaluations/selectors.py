"""Reads of the queue of evaluations, and of the worst examples of a snapshot."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from models_registry import task_types
from performance.evaluations.models import EvaluationJob, MisclassifiedExample, ResidualExample
from performance.snapshots.errors import NotAvailableForTaskTypeError
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.selectors import SnapshotLookup, computed_only, found_snapshots, newest_snapshot

CONDITIONS = {"actual": "actual", "predicted": "predicted", "min_confidence": "confidence__gte"}  # by parameter


@dataclass(frozen=True, slots=True)
class EvaluationQueue:
    """The queue of evaluations: by state, the number and since when the oldest one has been in it."""

    unfinished: dict[str, tuple[int, datetime | None]]
    ended_last_hour: dict[str, int]
    last_ended_at: datetime | None


def evaluation_queue() -> EvaluationQueue:
    """Return the queue of evaluations, read from the indexes of unfinished and of ended ones."""
    jobs = EvaluationJob.objects.order_by()
    counted = jobs.filter(due_at__isnull=False).values("state")
    rows = {
        row["state"]: row
        for row in counted.annotate(number=Count("pk"), created=Min("created_at"), started=Min("started_at"))
    }
    queued, running = rows.get("queued", {}), rows.get("running", {})
    ended = jobs.filter(finished_at__gt=timezone.now() - timedelta(hours=1)).values_list("state")
    return EvaluationQueue(
        unfinished={
            "queued": (queued.get("number", 0), queued.get("created")),
            "running": (running.get("number", 0), running.get("started")),
        },
        ended_last_hour={"succeeded": 0, "failed": 0, **dict(ended.annotate(number=Count("pk")))},
        last_ended_at=jobs.filter(finished_at__isnull=False)
        .order_by("-finished_at")
        .values_list("finished_at", flat=True)
        .first(),
    )


def misclassifications(lookup: SnapshotLookup, **conditions: str | float) -> QuerySet[MisclassifiedExample]:
    """Return the stored wrong predictions of the newest snapshot that meet the conditions.

    Raises `NotAvailableForTaskTypeError` for a task type without classes, what `SnapshotLookup.snapshot` raises, and
    `NotFoundError` if the snapshot was not computed here.
    """
    if not task_types.get(lookup.task_type).has_classes:
        raise NotAvailableForTaskTypeError(
            f"Models of {lookup.task_type} predict no classes, so they have no misclassifications."
        )
    return wrong_predictions(computed_only(_newest_snapshot(lookup)), **conditions)


def wrong_predictions(snapshot: MetricSnapshot, **conditions: str | float) -> QuerySet[MisclassifiedExample]:
    """Return the stored wrong predictions of a snapshot that meet the conditions."""
    examples: QuerySet[MisclassifiedExample] = snapshot.misclassified.filter(**conditions)
    return examples


def residuals(lookup: SnapshotLookup) -> QuerySet[ResidualExample]:
    """Return the stored examples with the largest errors of the newest snapshot.

    Raises `NotAvailableForTaskTypeError` for a task type that predicts no numbers, and otherwise what
    `misclassifications` raises.
    """
    if not task_types.get(lookup.task_type).has_residuals:
        raise NotAvailableForTaskTypeError(
            f"Models of {lookup.task_type} predict no numbers, so they have no residuals."
        )
    return largest_errors(computed_only(_newest_snapshot(lookup)))


def largest_errors(snapshot: MetricSnapshot) -> QuerySet[ResidualExample]:
    """Return the stored examples with the largest errors of a snapshot."""
    examples: QuerySet[ResidualExample] = snapshot.residuals.all()
    return examples


def _newest_snapshot(lookup: SnapshotLookup) -> MetricSnapshot:
    """Return the newest snapshot without its large columns. Raises what `SnapshotLookup.snapshot` raises."""
    return newest_snapshot(lookup, found_snapshots(lookup).for_list())
