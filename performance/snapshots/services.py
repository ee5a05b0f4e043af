"""Writes of performance, each in one transaction."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from models_registry import task_types
from models_registry.accounts.models import User
from models_registry.api.errors import ConflictError, FieldError, InvalidBodyError
from models_registry.api.fields import MAX_QUOTED_NAME, TIMESTAMP
from models_registry.registry.locks import refuse_archived
from models_registry.registry.models import Version
from models_registry.task_types import base
from performance.metrics.result import ConfusionMatrixDocument
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.models import DatasetSplit, MetricSnapshot, SnapshotDetail, Source
from performance.snapshots.reported_metrics import ReportedMetrics, complete
from performance.webhooks.services import publish


@transaction.atomic
def report_snapshot(
    *,
    version: Version,
    dataset_split: str,
    metrics: dict[str, Any],
    reported_by: User,
    custom_metrics: dict[str, float] | None = None,
    sample_count: int | None = None,
    confusion_matrix: ConfusionMatrixDocument | None = None,
    evaluated_at: datetime | None = None,
    dataset: Mapping[str, str] | None = None,
    confidence_intervals: dict[str, Interval] | None = None,
    standard_errors: dict[str, float] | None = None,
    per_class: dict[str, dict[str, float]] | None = None,
    evaluation_options: dict[str, Any] | None = None,
) -> MetricSnapshot:
    """Store the metrics that someone reports of a version, as a permanent snapshot. `evaluated_at` is by default now.

    What follows from the metrics is stored too: see `complete`. `dataset` has a `name`, and may have a `version` and
    the `digest` of its examples. The caller holds the lock of the model's row. Raises `InvalidBodyError`, which lists
    the errors, if the model's task type does not allow the metrics or if they contradict each other, and what
    `check_accepts_metrics` raises.
    """
    task_type = task_types.get(version.model.task_type)
    reported = ReportedMetrics(
        _clean(task_type, metrics, custom_metrics or {}, confusion_matrix),
        sample_count=sample_count,
        matrix=confusion_matrix,
        per_class=per_class or {},
        intervals=dict(confidence_intervals or {}),
        standard_errors=standard_errors or {},
        options=dict(evaluation_options or {}),
    )
    if errors := complete(task_type, reported, positive_class=version.model.positive_class):
        raise InvalidBodyError("The report contradicts itself or the model; `errors` says where.", errors)
    of_dataset = dataset or {}
    return store_snapshot(
        version,
        dataset_split,
        reported.metrics,
        source=Source.REPORTED,
        created_by=reported_by.username,
        evaluated_at=evaluated_at,
        sample_count=sample_count,
        dataset=of_dataset.get("name", ""),
        dataset_version=of_dataset.get("version"),
        examples_digest=of_dataset.get("digest"),
        custom_metrics=custom_metrics or {},
        confusion_matrix=confusion_matrix,
        confidence_intervals={name: asdict(each) for name, each in reported.intervals.items()},
        intervals_unavailable=reported.intervals_unavailable,
        per_class=reported.per_class,
        evaluation_options=reported.options,
        positive_class=reported.options.get("positive_class"),
        averaging=reported.options.get("averaging"),
    )


def store_snapshot(
    version: Version,
    dataset_split: str,
    recorded: dict[str, float],
    *,
    source: Source,
    created_by: str,
    evaluated_at: datetime | None,
    sample_count: int | None,
    dataset: str = "",
    **details: Any,
) -> MetricSnapshot:
    """Store a snapshot, and publish it. The caller holds the lock of the model's row.

    `dataset` is the name of the dataset; an empty name is the primary one. `details` are columns of the snapshot's
    detail. Raises what `check_accepts_metrics` raises.
    """
    check_accepts_metrics(version, dataset_split)
    summary = {metric.name for metric in task_types.get(version.model.task_type).metrics}
    snapshot = MetricSnapshot.objects.create(
        version=version,
        dataset_split=dataset_split,
        dataset=dataset,
        metrics={name: value for name, value in recorded.items() if name in summary},
        sample_count=sample_count,
        source=source,
        created_by=created_by,
        evaluated_at=evaluated_at or timezone.now().replace(microsecond=0),
    )
    details["further_metrics"] = {name: value for name, value in recorded.items() if name not in summary}
    if any(details.values()):
        SnapshotDetail.objects.create(snapshot=snapshot, **details)
    _publish_snapshot(snapshot)
    return snapshot


def _publish_snapshot(snapshot: MetricSnapshot) -> None:
    version = snapshot.version
    data = {
        "version_id": version.version_id,
        "dataset_split": snapshot.dataset_split,
        "dataset": snapshot.dataset or None,
        "snapshot_id": str(snapshot.pk),
        "source": snapshot.source,
        "metrics": snapshot.metrics,
        "sample_count": snapshot.sample_count,
        "evaluated_at": snapshot.evaluated_at.strftime(TIMESTAMP),
        "url": reverse("snapshot", args=[version.model_id, version.version_id, snapshot.pk]),
    }
    publish("snapshot.created", version.model, data)


def _clean(
    task_type: base.TaskType,
    metrics: dict[str, Any],
    custom_metrics: dict[str, float],
    confusion_matrix: ConfusionMatrixDocument | None,
) -> dict[str, float]:
    """Return the metrics as floats. Raises `InvalidBodyError`."""
    recorded, errors = _clean_metrics(task_type, metrics)
    known = {metric.name for metric in task_type.all_metrics}
    errors += [
        (f"custom_metrics.{name}", "reserved", f"A metric of {task_type.name}: give it in `metrics`.")
        for name in custom_metrics
        if name in known
    ]
    if confusion_matrix and not task_type.has_classes:
        errors.append(("confusion_matrix", "not_available", f"A model of {task_type.name} has no classes."))
    if errors:
        raise InvalidBodyError("The metrics are not those of the task type; `errors` says which and why.", errors)
    return recorded


def _clean_metrics(task_type: base.TaskType, metrics: dict[str, Any]) -> tuple[dict[str, float], list[FieldError]]:
    try:
        recorded = task_type.clean(metrics, further=True)
    except base.InvalidMetricsError as error:
        return {}, [(f"metrics.{name[:MAX_QUOTED_NAME]}", "invalid", reason) for name, reason in error.errors.items()]
    return recorded, [] if recorded else [("metrics", "empty", "At least one metric is needed.")]


def check_accepts_metrics(version: Version, dataset_split: str | None = None) -> None:
    """Raise `ConflictError` if a version accepts no metrics, or none of the given split.

    The answer holds until the transaction ends if the caller holds the lock of the model's row.
    """
    refuse_archived(version.model)
    if version.state == Version.State.FAILED:
        raise ConflictError(f"{version.version_id} has failed, which is final: it takes no metrics.")
    if version.state == Version.State.TRAINING and dataset_split == DatasetSplit.TEST:
        raise ConflictError(
            f"{version.version_id} is training: metrics of the test split come once it is completed. "
            'Complete it with PATCH {"state": "completed"} first.'
        )
