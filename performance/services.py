"""Writes of performance, each in one transaction."""

import logging
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from models_registry import task_types
from models_registry.exceptions import ConflictError, InvalidBodyError
from models_registry.models import User, Version
from models_registry.serializers import MAX_NAME
from models_registry.services.locks import lock_organization, lock_unarchived, refuse_archived
from performance import kept_files, pairing
from performance.evaluation.columns import Columns, Options, foreign_columns
from performance.evaluation.engine import Named
from performance.evaluation.evaluators import EVALUATORS, foreign_options
from performance.evaluation.result import Evaluation, Misclassified, Residual
from performance.exceptions import KeptFileUnavailableError, PredictionsRefusedError, TooManyEvaluationsError
from performance.models import (
    ComparisonJob,
    DatasetSplit,
    EvaluationJob,
    MetricSnapshot,
    MisclassifiedExample,
    ResidualExample,
    SnapshotDetail,
    Source,
)
from performance.webhooks import announce_snapshot

Fault = tuple[str, str, str]

log = logging.getLogger(__name__)


@transaction.atomic
def report_snapshot(
    *,
    version: Version,
    dataset_split: str,
    metrics: dict[str, Any],
    reported_by: User,
    custom_metrics: dict[str, float] | None = None,
    sample_count: int | None = None,
    confusion_matrix: dict[str, Any] | None = None,
    evaluated_at: datetime | None = None,
) -> MetricSnapshot:
    """Store the metrics that someone reports of a version, for good. Without a moment, they are of now.

    Raises `InvalidBodyError`, naming each fault, when the model's task type does not allow them, and `ConflictError`
    when the model is archived or the version in a state that takes no metrics of that split.
    """
    task_type = task_types.get(version.model.task_type)
    recorded = _clean(task_type, metrics, custom_metrics or {}, confusion_matrix)
    return _store(
        version,
        dataset_split,
        recorded,
        source=Source.REPORTED,
        created_by=reported_by.username,
        evaluated_at=evaluated_at,
        sample_count=sample_count,
        custom_metrics=custom_metrics or {},
        confusion_matrix=confusion_matrix,
    )


def keep_predictions(*, version: Version, dataset_split: str, file: Path | None) -> str | None:
    """Put the file with what it takes to compare predictions into the storage, if there is one; return its digest.

    To be done before the snapshot is stored, so that none names a file that is not there, and in no transaction, as a
    storage may take its time. Where the storage does not take it, the snapshot names none. Raises what would keep the
    snapshot from being stored: `ConflictError`.
    """
    current = Version.objects.select_related("model").get(pk=version.pk)
    refuse_archived(current.model)
    _refuse_state(current, dataset_split)
    try:
        return kept_files.put(file) if file else None
    except KeptFileUnavailableError as error:
        log.error("The predictions are not kept for comparisons: %s", error)
        return None


@transaction.atomic
def store_evaluation(
    *,
    version: Version,
    dataset_split: str,
    evaluation: Evaluation,
    engine: Named,
    digest: str,
    predictions_digest: str | None,
    created_by: str,
    evaluated_at: datetime | None = None,
) -> MetricSnapshot:
    """Store what the predictions of a version on a split came to, computed here, for good. It is of now by default.

    `digest` is of the predictions, SHA-256, and `predictions_digest` of what `keep_predictions` has kept of them.
    Raises `ConflictError` when the model is archived or the version in a state that takes no metrics of that split.
    """
    task_type = task_types.get(version.model.task_type)
    snapshot = _store(
        version,
        dataset_split,
        task_type.clean(evaluation.metrics, further=True),
        source=Source.COMPUTED,
        created_by=created_by,
        evaluated_at=evaluated_at,
        sample_count=evaluation.sample_count,
        confidence_intervals={name: asdict(each) for name, each in evaluation.confidence_intervals.items()},
        per_class={label: dict(values) for label, values in evaluation.per_class.items()},
        confusion_matrix=evaluation.confusion_matrix,
        positive_class=evaluation.positive_class,
        averaging=evaluation.averaging,
        row_count=evaluation.rows,
        misclassified_count=evaluation.misclassified_count,
        curves=evaluation.curves,
        engine=engine.name,
        engine_version=engine.version,
        dataset_digest=digest,
        predictions_digest=predictions_digest,
        attribute_names=_attribute_names(evaluation),
    )
    MisclassifiedExample.objects.bulk_create(
        MisclassifiedExample(snapshot=snapshot, rank=rank, **_example(each))
        for rank, each in enumerate(evaluation.misclassified, 1)
    )
    ResidualExample.objects.bulk_create(
        ResidualExample(snapshot=snapshot, rank=rank, **_example(each))
        for rank, each in enumerate(evaluation.residuals, 1)
    )
    return snapshot


def _attribute_names(evaluation: Evaluation) -> list[str] | None:
    """Return the names of the attributes, which all examples share and are stored once."""
    examples: list[Misclassified | Residual] = [*evaluation.misclassified, *evaluation.residuals]
    return list(examples[0].attributes) if examples else None


def _example(example: Misclassified | Residual) -> dict[str, Any]:
    return {**asdict(example), "attributes": list(example.attributes.values())}


def queue_comparison(snapshot: MetricSnapshot) -> ComparisonJob | None:
    """Queue the comparison of a snapshot with the newest one of the promoted version on its split.

    Return the job; `None` if there is nothing to compare with, if the two cannot be compared example by example, if
    that has been done, or if too much is queued.
    """
    snapshots = MetricSnapshot.objects.select_related("version__model", "detail").slim()
    baseline = (
        snapshots.of(snapshot.version.model_id, snapshot.dataset_split)
        .promoted()
        .exclude(version=snapshot.version)
        .newest_first()
        .first()
    )
    if baseline is None or not pairing.may_be_paired(snapshot, baseline):
        return None
    return pairing.queue(snapshot, baseline) if pairing.stored(snapshot, baseline) is None else None


@transaction.atomic
def request_evaluation(
    *,
    version: Version,
    dataset_split: str,
    file: str,
    digest: str,
    columns: Columns,
    options: Options,
    requested_by: User,
) -> EvaluationJob:
    """Queue the evaluation of stored predictions; `file` is their name in the storage, `digest` their SHA-256.

    Raises what `refuse_evaluation` and `refuse_over_quota` do.
    """
    locked = lock_unarchived(version.model)
    version.refresh_from_db(fields=["state"])
    refuse_evaluation(version, dataset_split, columns, options)
    lock_organization(locked.organization_id)  # until the evaluation counts
    refuse_over_quota(locked.organization_id)
    return EvaluationJob.objects.create(
        version=version,
        organization_id=locked.organization_id,
        dataset_split=dataset_split,
        file=file,
        digest=digest,
        columns=asdict(columns),
        options=asdict(options),
        requested_by=requested_by,
    )


def refuse_evaluation(version: Version, dataset_split: str, columns: Columns, options: Options) -> None:
    """Refuse to evaluate what could not be stored, or not as it is asked for.

    Raises `ConflictError` when the model is archived or the version in a state that takes no metrics of that split, and
    what `refuse_unevaluated` does.
    """
    refuse_archived(version.model)
    _refuse_state(version, dataset_split)
    refuse_unevaluated(version.model.task_type, columns, options)


def refuse_any_evaluation(version: Version) -> None:
    """Refuse to evaluate a version that takes no predictions, whatever they are.

    Raises `ConflictError` or `PredictionsRefusedError`, and `TooManyEvaluationsError` over the organization's quota.
    """
    refuse_archived(version.model)
    _refuse_failed(version)
    _refuse_task_type(version.model.task_type)
    refuse_over_quota(version.model.organization_id)


def refuse_over_quota(organization_id: int) -> None:
    """Refuse one more evaluation of an organization that has as many queued and running as it may.

    The organization's row must be locked where the answer is to hold. Raises `TooManyEvaluationsError`.
    """
    if EvaluationJob.objects.unfinished_of(organization_id).count() >= settings.MAX_QUEUED_EVALUATIONS:
        raise TooManyEvaluationsError(
            f"The organization has {settings.MAX_QUEUED_EVALUATIONS} evaluations queued or running, the most it may "
            "have. Send the file again once some have ended."
        )


def refuse_unevaluated(task_type: str, columns: Columns, options: Options) -> None:
    """Refuse a task type whose predictions are not evaluated here, or not with these columns and options.

    Raises `PredictionsRefusedError` or `InvalidBodyError`.
    """
    _refuse_task_type(task_type)
    named = [f"columns.{name}" for name in foreign_columns(task_type, columns)]
    if foreign := named + foreign_options(task_type, options):
        fault = f"Means nothing for a model of {task_type}."
        raise InvalidBodyError(
            f"A model of {task_type} is evaluated without {', '.join(foreign)}.",
            [(name, "not_available", fault) for name in foreign],
        )


def _refuse_task_type(task_type: str) -> None:
    if task_type not in EVALUATORS:
        raise PredictionsRefusedError(
            f"A model of {task_type} cannot be evaluated here; report its metrics instead. "
            f"Evaluated are {', '.join(EVALUATORS)}."
        )


def _store(
    version: Version,
    dataset_split: str,
    recorded: dict[str, float],
    *,
    source: Source,
    created_by: str,
    evaluated_at: datetime | None,
    sample_count: int | None,
    **details: Any,
) -> MetricSnapshot:
    lock_unarchived(version.model)
    version.refresh_from_db(fields=["state"])
    _refuse_state(version, dataset_split)
    summary = {metric.name for metric in task_types.get(version.model.task_type).metrics}
    snapshot = MetricSnapshot.objects.create(
        version=version,
        dataset_split=dataset_split,
        metrics={name: value for name, value in recorded.items() if name in summary},
        sample_count=sample_count,
        source=source,
        created_by=created_by,
        evaluated_at=evaluated_at or timezone.now().replace(microsecond=0),
    )
    details["further_metrics"] = {name: value for name, value in recorded.items() if name not in summary}
    if any(details.values()):
        SnapshotDetail.objects.create(snapshot=snapshot, **details)
    announce_snapshot(snapshot)
    return snapshot


def _clean(
    task_type: task_types.TaskType,
    metrics: dict[str, Any],
    custom_metrics: dict[str, float],
    confusion_matrix: dict[str, Any] | None,
) -> dict[str, float]:
    """Return the metrics as floats. Raises `InvalidBodyError`."""
    recorded, faults = _clean_metrics(task_type, metrics)
    known = {metric.name for metric in task_type.all_metrics}
    faults += [
        (f"custom_metrics.{name}", "reserved", f"A metric of {task_type.name}: give it in `metrics`.")
        for name in custom_metrics
        if name in known
    ]
    if confusion_matrix and not task_type.has_classes:
        faults.append(("confusion_matrix", "not_available", f"A model of {task_type.name} has no classes."))
    if faults:
        raise InvalidBodyError("The metrics are not those of the task type; `errors` says which and why.", faults)
    return recorded


def _clean_metrics(task_type: task_types.TaskType, metrics: dict[str, Any]) -> tuple[dict[str, float], list[Fault]]:
    try:
        recorded = task_type.clean(metrics, further=True)
    except task_types.InvalidMetricsError as error:
        return {}, [(f"metrics.{name[:MAX_NAME]}", "invalid", reason) for name, reason in error.faults.items()]
    return recorded, [] if recorded else [("metrics", "empty", "At least one metric is needed.")]


def _refuse_failed(version: Version) -> None:
    if version.state == Version.State.FAILED:
        raise ConflictError(f"{version.version_id} has failed, which is final: it takes no metrics.")


def _refuse_state(version: Version, dataset_split: str) -> None:
    _refuse_failed(version)
    if version.state == Version.State.TRAINING and dataset_split == DatasetSplit.TEST:
        raise ConflictError(
            f"{version.version_id} is training: metrics of the test split come once it is completed. "
            'Complete it with PATCH {"state": "completed"} first.'
        )
