"""Writes of performance, each in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from models_registry import task_types
from models_registry.accounts.models import User
from models_registry.api.errors import ConflictError, InvalidBodyError
from models_registry.api.field_errors import FieldError
from models_registry.api.fields import MAX_ERRORS, MAX_QUOTED_NAME
from models_registry.api.times import utc_text
from models_registry.audit.recorder import record_added
from models_registry.db.prepared import insert, insert_many
from models_registry.registry.locks import refuse_archived
from models_registry.registry.models import RegisteredModel, Version
from models_registry.task_types import base
from performance.metrics.result import ConfusionMatrixDocument, EvaluationWarning
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.changes import warn_of_changes
from performance.snapshots.datasets import record_datasets
from performance.snapshots.models import DatasetSplit, MetricSnapshot, SnapshotDetail, Source
from performance.snapshots.reported_metrics import ReportedMetrics, complete
from performance.webhooks.services import publish

UnsavedRows = tuple[MetricSnapshot, SnapshotDetail | None]  # of a snapshot, which may need no detail


@dataclass(frozen=True, slots=True)
class Report:
    """Metrics that someone reports of a version, checked and completed, and ready to be stored.

    `columns` are further columns of the snapshot and of its detail. `positive_class` is the one that the model declared
    when the report was checked.
    """

    dataset_split: str
    metrics: dict[str, float]
    dataset: str
    columns: dict[str, Any]
    positive_class: str | None


def check_report(
    *,
    model: RegisteredModel,
    dataset_split: str,
    metrics: dict[str, object],
    custom_metrics: dict[str, float] | None = None,
    sample_count: int | None = None,
    confusion_matrix: ConfusionMatrixDocument | None = None,
    evaluated_at: datetime | None = None,
    dataset: Mapping[str, str] | None = None,
    confidence_intervals: dict[str, Interval] | None = None,
    standard_errors: dict[str, float] | None = None,
    per_class: dict[str, dict[str, float]] | None = None,
    evaluation_options: dict[str, object] | None = None,
    allow_only_custom: bool = False,
) -> Report:
    """Return a report with what follows from its metrics: see `complete`. That may take a second.

    `dataset` has a `name`, and may have a `version` and the `digest` of its examples. With `allow_only_custom`, custom
    metrics are enough. Raises `InvalidBodyError`, which lists the errors, if the model's task type does not allow the
    metrics or if they contradict each other.
    """
    task_type = task_types.get(model.task_type)
    reported = ReportedMetrics(
        _clean(task_type, metrics, custom_metrics or {}, confusion_matrix, allow_only_custom=allow_only_custom),
        sample_count=sample_count,
        matrix=confusion_matrix,
        per_class=per_class or {},
        intervals=dict(confidence_intervals or {}),
        standard_errors=standard_errors or {},
        options=dict(evaluation_options or {}),
    )
    if errors := complete(task_type, reported, positive_class=model.positive_class):
        raise InvalidBodyError("The report contradicts itself or the model; `errors` says where.", errors)
    of_dataset = dataset or {}
    columns = {
        "sample_count": sample_count,
        "evaluated_at": evaluated_at,
        "dataset_version": of_dataset.get("version"),
        "examples_digest": of_dataset.get("digest"),
        "custom_metrics": custom_metrics or {},
        "confusion_matrix": confusion_matrix,
        "confidence_intervals": {name: each.as_document() for name, each in reported.intervals.items()},
        "intervals_unavailable": reported.intervals_unavailable,
        "warnings": [asdict(each) for each in reported.warnings],
        "per_class": reported.per_class,
        "evaluation_options": reported.options,
        "positive_class": reported.options.get("positive_class"),
        "averaging": reported.options.get("averaging"),
    }
    return Report(dataset_split, reported.metrics, of_dataset.get("name", ""), columns, model.positive_class)


def check_reports(*, model: RegisteredModel, reports: Sequence[Mapping[str, Any]]) -> list[Report]:
    """Return reports as `check_report` does. Raises `InvalidBodyError`, whose errors name the report by its index."""
    checked: list[Report] = []
    errors: list[FieldError] = []
    for index, each in enumerate(reports):
        try:
            checked.append(check_report(model=model, **each))
        except InvalidBodyError as error:
            errors += [(f"snapshots.{index}.{field}", code, detail) for field, code, detail in error.errors]
            if len(errors) >= MAX_ERRORS:
                break
    if errors:
        raise InvalidBodyError("Some snapshots are not valid, so none is stored; `errors` says which and why.", errors)
    return checked


def report_snapshot(*, version: Version, report: Report, reported_by: User) -> MetricSnapshot:
    """Store a report as a permanent snapshot. `evaluated_at` is by default now.

    The caller is in a transaction that holds the lock of the model's row. Raises what `check_accepts_metrics` raises,
    and `ConflictError` if the model has declared another positive class since the report was checked.
    """
    _refuse_outdated(version, [report])
    return store_snapshot(
        version,
        report.dataset_split,
        report.metrics,
        source=Source.REPORTED,
        created_by=reported_by.username,
        dataset=report.dataset,
        **report.columns,
    )


@transaction.atomic
def report_snapshots(
    *, version: Version, reports: Sequence[Report], reported_by: User | None, source: Source = Source.REPORTED
) -> list[MetricSnapshot]:
    """Store reports as permanent snapshots, all of them or none. Of two at the same time, the later one is newer.

    The audit trail gets one row, with the number of the version's snapshots before and after. What an
    operator imports is reported by nobody. The rest is as `report_snapshot` says.
    """
    _refuse_outdated(version, reports)
    created_by = reported_by.username if reported_by else ""
    for split in {report.dataset_split for report in reports}:
        check_accepts_metrics(version, split)
    named = ((each.dataset, each.columns["dataset_version"], each.columns["examples_digest"]) for each in reports)
    record_datasets(version, named, created_by=created_by)
    before = version.snapshots.count()
    snapshots = insert_reports(version, reports, source=source, created_by=created_by)
    record_added(version, "snapshots", before, before + len(snapshots))
    publish("snapshot.created", version.model, map(_event, snapshots))
    return snapshots


def insert_reports(
    version: Version, reports: Iterable[Report], *, source: Source, created_by: str
) -> list[MetricSnapshot]:
    """Store reports as snapshots, and nothing else: no message, no row in the audit trail, no dataset."""
    unsaved = [
        _unsaved(
            version,
            report.dataset_split,
            report.metrics,
            source=source,
            created_by=created_by,
            dataset=report.dataset,
            **report.columns,
        )
        for report in reports
    ]
    rows = _with_warnings(version, unsaved)
    snapshots = [snapshot for snapshot, _ in rows]
    details = [detail for _, detail in rows if detail is not None]
    insert_many(snapshots)
    for detail in details:
        detail.snapshot_id = detail.snapshot.pk
    insert_many(details)
    return snapshots


def store_snapshot(
    version: Version,
    dataset_split: str,
    recorded: dict[str, float],
    *,
    created_by: str,
    dataset: str = "",
    **rest: Any,
) -> MetricSnapshot:
    """Store a snapshot, and publish it. The caller holds the lock of the model's row.

    `dataset` is the name of the dataset, which a new name declares; an empty name is the primary one. `rest` are
    further columns of the snapshot and of its detail. The returned snapshot looks as it does when it is read later.
    Raises what `check_accepts_metrics` raises.
    """
    check_accepts_metrics(version, dataset_split)
    named = (dataset, rest.get("dataset_version"), rest.get("examples_digest"))
    record_datasets(version, [named], created_by=created_by)
    unsaved = _unsaved(version, dataset_split, recorded, created_by=created_by, dataset=dataset, **rest)
    [(snapshot, detail)] = _with_warnings(version, [unsaved])
    insert(snapshot)
    if detail is not None:
        detail.snapshot = snapshot
        insert(detail)
        if len(detail.custom_metrics) > 1:  # the only JSON that is shown in the order in which it is stored
            detail.refresh_from_db(fields=["custom_metrics"])
    publish("snapshot.created", version.model, map(_event, [snapshot]))
    return snapshot


def _unsaved(
    version: Version,
    dataset_split: str,
    recorded: dict[str, float],
    *,
    source: Source,
    created_by: str,
    evaluated_at: datetime | None,
    sample_count: int | None,
    dataset: str,
    **details: object,
) -> UnsavedRows:
    """Return a new snapshot and, if it needs one, its detail. `recorded` are metrics of the task type."""
    summary = {metric.name for metric in task_types.get(version.model.task_type).metrics}
    snapshot = MetricSnapshot(
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
    return snapshot, SnapshotDetail(snapshot=snapshot, **details) if any(details.values()) else None


def _with_warnings(version: Version, rows: Sequence[UnsavedRows]) -> list[UnsavedRows]:
    """Return new snapshots of a version with warnings of what has changed since earlier ones."""
    found = warn_of_changes(version, [snapshot for snapshot, _ in rows])
    return [
        (snapshot, _add_warnings(detail or SnapshotDetail(snapshot=snapshot), warnings) if warnings else detail)
        for (snapshot, detail), warnings in zip(rows, found, strict=True)
    ]


def _add_warnings(detail: SnapshotDetail, warnings: Sequence[EvaluationWarning]) -> SnapshotDetail:
    detail.warnings = [*detail.warnings, *map(asdict, warnings)]
    return detail


def _refuse_outdated(version: Version, reports: Iterable[Report]) -> None:
    """Raise `ConflictError` if the model's positive class is another one than when the reports were checked."""
    if any(report.positive_class != version.model.positive_class for report in reports):
        raise ConflictError(f"{version.model.pk} has just been given another positive class. Report once more.")


def _event(snapshot: MetricSnapshot) -> dict[str, object]:
    """Return what a message says of a new snapshot."""
    version = snapshot.version
    return {
        "version_id": version.version_id,
        "dataset_split": snapshot.dataset_split,
        "dataset": snapshot.dataset or None,
        "snapshot_id": str(snapshot.pk),
        "source": snapshot.source,
        "metrics": snapshot.metrics,
        "sample_count": snapshot.sample_count,
        "evaluated_at": utc_text(snapshot.evaluated_at),
        "url": reverse("snapshot", args=[version.model_id, version.version_id, snapshot.pk]),
    }


def _clean(
    task_type: base.TaskType,
    metrics: dict[str, object],
    custom_metrics: dict[str, float],
    confusion_matrix: ConfusionMatrixDocument | None,
    *,
    allow_only_custom: bool,
) -> dict[str, float]:
    """Return the metrics as floats. Raises `InvalidBodyError`."""
    recorded, errors = _clean_metrics(task_type, metrics)
    if not recorded and not errors and not (allow_only_custom and custom_metrics):
        errors = [("metrics", "empty", "At least one metric is needed.")]
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


def _clean_metrics(task_type: base.TaskType, metrics: dict[str, object]) -> tuple[dict[str, float], list[FieldError]]:
    try:
        recorded = task_type.clean(metrics, further=True)
    except base.InvalidMetricsError as error:
        return {}, [(f"metrics.{name[:MAX_QUOTED_NAME]}", "invalid", reason) for name, reason in error.errors.items()]
    return recorded, []


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
