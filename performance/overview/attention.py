"""Read what needs attention: failed gates and evaluations, evaluations without a worker, unpromoted versions."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone

from models_registry.registry.models import Promotion, Version
from models_registry.registry.querysets import RegisteredModelQuerySet
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GateVerdict
from performance.gates.verdict import Status
from performance.jobs.models import Worker

RECENT = timedelta(days=7)  # for how long a failed evaluation needs attention


def failed_verdicts(models: RegisteredModelQuerySet) -> QuerySet[GateVerdict]:
    """Return the failed verdicts on the models in use that were not followed by another one, the newest first."""
    later = GateVerdict.objects.filter(model=OuterRef("model"), pk__gt=OuterRef("pk"))
    failed = GateVerdict.objects.filter(status=Status.FAILED, model__in=models.filter(archived_at=None).values("pk"))
    return failed.filter(~Exists(later)).select_related("model", "version").defer("document").order_by("-pk")


def with_failed_gate(models: RegisteredModelQuerySet) -> RegisteredModelQuerySet:
    """Keep the models in use whose newest stored verdict is a failure."""
    kept: RegisteredModelQuerySet = models.filter(pk__in=failed_verdicts(models).order_by().values("model"))
    return kept


def awaiting_promotion(models: RegisteredModelQuerySet) -> RegisteredModelQuerySet:
    """Keep the models in use whose newest completed version never was promoted. Adds `waiting`, its number.

    It is newer than the promoted version, because that is completed too.
    """
    newest = Version.objects.completed().filter(model=OuterRef("pk")).newest_first()
    waits = newest.annotate(waits=~Exists(Promotion.objects.filter(version=OuterRef("pk")))).values("waits")
    waiting: RegisteredModelQuerySet = models.filter(archived_at=None).annotate(
        waits=Subquery(waits[:1]), waiting=Subquery(newest.values("number")[:1])
    )
    return waiting.filter(waits=True)


def failed_evaluations(models: RegisteredModelQuerySet) -> QuerySet[EvaluationJob]:
    """Return the evaluations of the models that failed lately and were not repeated since, the newest first."""
    same = {name: OuterRef(name) for name in ("version", "dataset_split", "dataset")}
    later = EvaluationJob.objects.filter(**same, created_at__gt=OuterRef("created_at"))
    failed = EvaluationJob.objects.filter(state="failed", finished_at__gte=timezone.now() - RECENT)
    return _of_models(failed.filter(~Exists(later)), models).order_by("-finished_at")


def evaluations_without_worker(models: RegisteredModelQuerySet) -> QuerySet[EvaluationJob]:
    """Return the evaluations of the models that wait while no worker is alive, the oldest first."""
    jobs = EvaluationJob.objects.due().filter(~Exists(Worker.objects.alive()))
    return _of_models(jobs, models).order_by("due_at")


def _of_models(jobs: QuerySet[EvaluationJob], models: RegisteredModelQuerySet) -> QuerySet[EvaluationJob]:
    of_models: QuerySet[EvaluationJob] = jobs.filter(version__model__in=models.values("pk"))
    return of_models.select_related("version__model")
