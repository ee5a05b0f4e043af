"""Read what needs attention: failed gates and evaluations, evaluations without a worker, unpromoted versions."""

from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from models_registry.registry.models import Version
from models_registry.registry.querysets import RegisteredModelQuerySet
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GateVerdict
from performance.gates.verdict import Status

RECENT = timedelta(days=7)  # for how long a failed evaluation needs attention
PATIENCE = timedelta(minutes=1)  # for which an evaluation waits before it seems that no worker lives


def with_failed_gate(models: RegisteredModelQuerySet) -> RegisteredModelQuerySet:
    """Keep the models in use whose newest stored verdict is a failure. Adds `judged`, the number of the version."""
    newest = GateVerdict.objects.filter(model=OuterRef("pk")).order_by("-pk")
    judged: RegisteredModelQuerySet = models.filter(archived_at=None).annotate(
        newest_status=Subquery(newest.values("status")[:1]), judged=Subquery(newest.values("version__number")[:1])
    )
    return judged.filter(newest_status=Status.FAILED)


def awaiting_promotion(models: RegisteredModelQuerySet) -> RegisteredModelQuerySet:
    """Keep the models in use with completed versions that are newer than the promoted one and never were promoted.

    Adds `waiting`, the number of the newest of these versions.
    """
    promoted = Coalesce(OuterRef("promoted_version__number"), 0)
    newer = Version.objects.completed().filter(model=OuterRef("pk"), number__gt=promoted, promotions=None)
    newest = newer.newest_first().values("number")[:1]
    waiting: RegisteredModelQuerySet = models.filter(archived_at=None).annotate(waiting=Subquery(newest))
    return waiting.filter(waiting__isnull=False)


def failed_evaluations(models: RegisteredModelQuerySet) -> QuerySet[Any]:
    """Return the evaluations of the models that failed lately and were not repeated since, the newest first."""
    same = {name: OuterRef(name) for name in ("version", "dataset_split", "dataset")}
    later = EvaluationJob.objects.filter(**same, created_at__gt=OuterRef("created_at"))
    failed = EvaluationJob.objects.filter(state="failed", finished_at__gte=timezone.now() - RECENT)
    return _of_models(failed.filter(~Exists(later)), models).order_by("-finished_at")


def evaluations_without_worker(models: RegisteredModelQuerySet) -> QuerySet[Any]:
    """Return the evaluations of the models that wait although no worker evaluates anything, the oldest first."""
    jobs = EvaluationJob.objects.overdue(PATIENCE).filter(~Exists(EvaluationJob.objects.leased()))
    return _of_models(jobs, models).order_by("due_at")


def _of_models(jobs: QuerySet[Any], models: RegisteredModelQuerySet) -> QuerySet[Any]:
    of_models: QuerySet[Any] = jobs.filter(version__model__in=models.values("pk"))
    return of_models.select_related("version__model")
