"""Writes of evaluations."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime

from django.conf import settings
from django.db import transaction

from models_registry import task_types
from models_registry.accounts.locks import lock_organization
from models_registry.accounts.models import User
from models_registry.api.errors import InvalidBodyError
from models_registry.db.prepared import insert_many
from models_registry.registry.locks import lock_version
from models_registry.registry.models import RegisteredModel, Version
from performance.evaluations.errors import PredictionsRefusedError, TooManyEvaluationsError
from performance.evaluations.models import EvaluationJob, MisclassifiedExample, ResidualExample
from performance.evaluations.overlap import NOT_MEASURED, TrainOverlap
from performance.metrics.engines.base import EngineInfo
from performance.metrics.inputs.labels import canonical_label
from performance.metrics.inputs.options import BINARY, Columns, Options, inapplicable_columns
from performance.metrics.result import Evaluation, Misclassified, Residual
from performance.metrics.tasks.evaluators import EVALUATORS, inapplicable_options
from performance.snapshots.models import MetricSnapshot, SnapshotSlice, Source
from performance.snapshots.services import check_accepts_metrics, store_snapshot


@transaction.atomic
def store_evaluation(
    *,
    version: Version,
    dataset_split: str,
    evaluation: Evaluation,
    engine: EngineInfo,
    digest: str,
    predictions_digest: str | None,
    created_by: str,
    evaluated_at: datetime | None = None,
    dataset: str = "",
    dataset_version: str | None = None,
    train_overlap: TrainOverlap = NOT_MEASURED,
) -> MetricSnapshot:
    """Store the evaluation of a version on a split as a permanent snapshot. `evaluated_at` is by default now.

    `digest` is the SHA-256 of the predictions, and `predictions_digest` what `store_predictions` returned for them.
    `dataset` is empty for the primary one, and `train_overlap` what `measure_train_overlap` returned. It locks the
    model's row. Raises what `check_accepts_metrics` raises.
    """
    version = lock_version(version)
    task_type = task_types.get(version.model.task_type)
    snapshot = store_snapshot(
        version,
        dataset_split,
        task_type.clean(evaluation.metrics, further=True),
        source=Source.COMPUTED,
        created_by=created_by,
        evaluated_at=evaluated_at,
        sample_count=evaluation.sample_count,
        dataset=dataset,
        dataset_version=dataset_version,
        train_overlap=train_overlap.share,
        confidence_intervals={name: each.as_document() for name, each in evaluation.confidence_intervals.items()},
        metrics_unavailable=dict(evaluation.metrics_unavailable),
        intervals_unavailable=dict(evaluation.intervals_unavailable),
        effective_sample_size=evaluation.effective_sample_size,
        missing_fraction=evaluation.missing_fraction,
        evaluation_options=dict(evaluation.evaluation_options),
        warnings=[asdict(each) for each in (*evaluation.warnings, *train_overlap.warnings)],
        examples_digest=evaluation.examples_digest,
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
    _store_rows(snapshot, evaluation)
    return snapshot


def _store_rows(snapshot: MetricSnapshot, evaluation: Evaluation) -> None:
    """Store the slices and the worst examples of a snapshot."""
    insert_many([*_slices(snapshot, evaluation)])
    insert_many(
        [
            MisclassifiedExample(snapshot=snapshot, rank=rank, **_example(each))
            for rank, each in enumerate(evaluation.misclassified, 1)
        ]
    )
    insert_many(
        [
            ResidualExample(snapshot=snapshot, rank=rank, **_example(each))
            for rank, each in enumerate(evaluation.residuals, 1)
        ]
    )


def _slices(snapshot: MetricSnapshot, evaluation: Evaluation) -> Iterator[SnapshotSlice]:
    """Yield the rows of the slices, numbered within each attribute."""
    task_type = task_types.get(snapshot.version.model.task_type)
    positions: Counter[str] = Counter()
    for each in evaluation.slices:
        positions[each.attribute] += 1
        yield SnapshotSlice(
            snapshot=snapshot,
            attribute=each.attribute,
            position=positions[each.attribute],
            value=each.value,
            sample_count=each.sample_count,
            metrics=task_type.clean(each.metrics),
            confidence_intervals={name: interval.as_document() for name, interval in each.confidence_intervals.items()},
            intervals_unavailable=dict(each.intervals_unavailable),
        )


def _attribute_names(evaluation: Evaluation) -> list[str] | None:
    """Return the names of the attributes, which all examples share and are stored once."""
    examples: list[Misclassified | Residual] = [*evaluation.misclassified, *evaluation.residuals]
    return list(examples[0].attributes) if examples else None


def _example(example: Misclassified | Residual) -> dict[str, object]:
    return {**asdict(example), "attributes": list(example.attributes.values())}


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
    dataset: str = "",
    dataset_version: str | None = None,
) -> EvaluationJob:
    """Queue the evaluation of stored predictions; `file` is their name in the storage, `digest` their SHA-256.

    The caller holds the lock of the model's row, and has called `check_options`. Raises what `check_accepts_metrics`
    and `refuse_over_quota` raise.
    """
    check_accepts_metrics(version, dataset_split)
    organization_id = version.model.organization_id
    lock_organization(organization_id)  # until the evaluation counts
    refuse_over_quota(organization_id)
    return EvaluationJob.objects.create(
        version=version,
        organization_id=organization_id,
        dataset_split=dataset_split,
        file=file,
        digest=digest,
        columns=asdict(columns),
        options=asdict(options),
        requested_by=requested_by,
        dataset=dataset,
        dataset_version=dataset_version,
    )


def check_before_upload(version: Version) -> None:
    """Raise if a version accepts no predictions at all, before any of an upload is read.

    Raises `ConflictError`, `PredictionsRefusedError`, or `TooManyEvaluationsError` over the organization's quota.
    """
    check_accepts_metrics(version)
    _check_task_type(version.model.task_type)
    refuse_over_quota(version.model.organization_id)


def refuse_over_quota(organization_id: int) -> None:
    """Raise `TooManyEvaluationsError` if an organization has as many unfinished evaluations as it may.

    The answer holds until the transaction ends if the caller holds the lock of the organization's row.
    """
    if EvaluationJob.objects.unfinished_for(organization_id).count() >= settings.MAX_QUEUED_EVALUATIONS:
        raise TooManyEvaluationsError(
            f"The organization has {settings.MAX_QUEUED_EVALUATIONS} evaluations queued or running, the most it may "
            "have. Send the file again once some have ended."
        )


def check_options(task_type: str, columns: Columns, options: Options) -> None:
    """Raise if a task type has no evaluation, or none with these columns and options.

    Raises `PredictionsRefusedError` or `InvalidBodyError`.
    """
    _check_task_type(task_type)
    named = [f"columns.{name}" for name in inapplicable_columns(task_type, columns)]
    if foreign := named + inapplicable_options(task_type, options):
        message = f"Means nothing for a model of {task_type}."
        raise InvalidBodyError(
            f"A model of {task_type} is evaluated without {', '.join(foreign)}.",
            [(name, "not_available", message) for name in foreign],
        )


def with_declared_class(model: RegisteredModel, options: Options) -> Options:
    """Return the options with the positive class that the model declares, if it declares one, and `binary` averaging.

    Raises `InvalidBodyError` if the options name another class or averaging.
    """
    declared = model.positive_class
    if declared is None or model.task_type != "classification":
        return options
    named = options.positive_class
    if named is not None and canonical_label(named) != canonical_label(declared):
        reason = f"The model declares the positive class {declared[:40]!r}, not {named[:40]!r}."
        raise InvalidBodyError(
            f"{reason} Leave `positive_class` out, or evaluate a model that declares another.",
            [("positive_class", "contradicts_model", reason)],
        )
    if options.averaging not in {None, BINARY}:
        reason = f"The model declares the positive class {declared[:40]!r}, so its averaging is `{BINARY}`."
        raise InvalidBodyError(
            f"{reason} Leave `averaging` out, or evaluate a model that declares no positive class.",
            [("averaging", "contradicts_model", reason)],
        )
    return replace(options, positive_class=declared, averaging=BINARY)


def _check_task_type(task_type: str) -> None:
    if task_type not in EVALUATORS:
        raise PredictionsRefusedError(
            f"A model of {task_type} cannot be evaluated here; report its metrics instead. "
            f"Evaluated are {', '.join(EVALUATORS)}."
        )
