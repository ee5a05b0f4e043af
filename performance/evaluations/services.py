"""Writes of evaluations."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from models_registry import task_types
from models_registry.accounts.locks import lock_organization
from models_registry.accounts.models import User
from models_registry.api.errors import InvalidBodyError
from models_registry.registry.locks import lock_unarchived, refuse_archived
from models_registry.registry.models import Version
from performance.evaluations.errors import PredictionsRefusedError, TooManyEvaluationsError
from performance.evaluations.models import EvaluationJob, MisclassifiedExample, ResidualExample
from performance.metrics.engines.base import EngineInfo
from performance.metrics.inputs.options import Columns, Options, inapplicable_columns
from performance.metrics.result import Evaluation, Misclassified, Residual
from performance.metrics.tasks.evaluators import EVALUATORS, inapplicable_options
from performance.snapshots.models import MetricSnapshot, Source
from performance.snapshots.services import refuse_failed, refuse_state, store_snapshot


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
) -> MetricSnapshot:
    """Store what the predictions of a version on a split came to, computed here, for good. It is of now by default.

    `digest` is of the predictions, SHA-256, and `predictions_digest` of what `keep_predictions` has kept of them.
    Raises `ConflictError` when the model is archived or the version in a state that takes no metrics of that split.
    """
    task_type = task_types.get(version.model.task_type)
    snapshot = store_snapshot(
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
    refuse_state(version, dataset_split)
    refuse_unevaluated(version.model.task_type, columns, options)


def refuse_any_evaluation(version: Version) -> None:
    """Refuse to evaluate a version that takes no predictions, whatever they are.

    Raises `ConflictError` or `PredictionsRefusedError`, and `TooManyEvaluationsError` over the organization's quota.
    """
    refuse_archived(version.model)
    refuse_failed(version)
    _refuse_task_type(version.model.task_type)
    refuse_over_quota(version.model.organization_id)


def refuse_over_quota(organization_id: int) -> None:
    """Refuse one more evaluation of an organization that has as many queued and running as it may.

    The organization's row must be locked where the answer is to hold. Raises `TooManyEvaluationsError`.
    """
    if EvaluationJob.objects.unfinished_for(organization_id).count() >= settings.MAX_QUEUED_EVALUATIONS:
        raise TooManyEvaluationsError(
            f"The organization has {settings.MAX_QUEUED_EVALUATIONS} evaluations queued or running, the most it may "
            "have. Send the file again once some have ended."
        )


def refuse_unevaluated(task_type: str, columns: Columns, options: Options) -> None:
    """Refuse a task type whose predictions are not evaluated here, or not with these columns and options.

    Raises `PredictionsRefusedError` or `InvalidBodyError`.
    """
    _refuse_task_type(task_type)
    named = [f"columns.{name}" for name in inapplicable_columns(task_type, columns)]
    if foreign := named + inapplicable_options(task_type, options):
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
