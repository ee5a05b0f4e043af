"""Reads of the worst examples of a snapshot."""

from django.db.models import QuerySet

from models_registry import task_types
from performance.evaluations.models import MisclassifiedExample, ResidualExample
from performance.snapshots.errors import NotAvailableForTaskTypeError
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.selectors import SnapshotLookup, computed_only, found_snapshots, newest_snapshot

CONDITIONS = {"actual": "actual", "predicted": "predicted", "min_confidence": "confidence__gte"}  # by parameter


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
