"""Comparisons and their jobs as queryset methods."""

from datetime import timedelta
from typing import TYPE_CHECKING, Self

from django.db import IntegrityError, models, transaction
from django.db.models import Exists, Q
from django.utils import timezone

from performance.jobs.querysets import DatabaseNow, FairJobQuerySet
from performance.metrics.paired.paired_join import METHODS
from performance.snapshots.models import MetricSnapshot

if TYPE_CHECKING:
    from performance.comparisons.models import ComparisonJob, PairedComparison


class ComparisonJobQuerySet(FairJobQuerySet):
    """Comparison jobs. Organizations take turns."""

    def for_pair(self, snapshot: MetricSnapshot, baseline: MetricSnapshot) -> Self:
        """Keep the job of two snapshots."""
        return self.filter(snapshot=snapshot.pk, baseline=baseline.pk)

    def claim_for_request(self, job: "ComparisonJob", lease: timedelta) -> bool:
        """Claim a job that nobody has attempted, unless another request is computing a pair; return whether it did.

        If several threads or processes try at once, a constraint lets only one claim a job.
        """
        computing = self.model.objects.filter(state="running", interactive=True, attempts=1)
        computing.filter(due_at__lte=DatabaseNow()).update(state="queued")  # left by killed processes
        claimed = {"state": "running", "interactive": True, "attempts": 1, "started_at": timezone.now()}
        free = self.filter(~Exists(computing), pk=job.pk, state="queued", attempts=0)
        try:
            with transaction.atomic():
                if not free.update(**claimed, due_at=DatabaseNow() + lease):
                    return False
        except IntegrityError:  # another request was faster
            return False
        job.state, job.attempts = "running", 1
        return True

    def claim_for_promotion(self, job: "ComparisonJob", lease: timedelta) -> bool:
        """Claim a job that is queued or whose lease has expired; return whether it did.

        Unlike a request, a promotion may compute while a request computes.
        """
        free = self.filter(
            Q(state="queued") | Q(state="running", due_at__lte=DatabaseNow()), pk=job.pk, attempts=job.attempts
        )
        claimed = {"state": "running", "interactive": False, "attempts": job.attempts + 1}
        if not free.update(**claimed, started_at=timezone.now(), due_at=DatabaseNow() + lease):
            return False
        job.state, job.attempts = "running", job.attempts + 1
        return True

    def requeue_succeeded(self, job: "ComparisonJob") -> None:
        """Queue a job again whose result is out of date."""
        again = {"state": "queued", "attempts": 0, "interactive": False, "due_at": DatabaseNow(), "finished_at": None}
        self.filter(pk=job.pk, state="succeeded").update(**again)

    def fail(self, job: "ComparisonJob") -> None:
        """Record that a job failed and is not tried again, if its lease is still the caller's."""
        self.leased_by(job).update(state="failed", due_at=None, finished_at=timezone.now())


class PairedComparisonQuerySet(models.QuerySet["PairedComparison"]):
    """Comparisons of two snapshots example by example."""

    def current(self) -> Self:
        """Keep the comparisons by the methods of today."""
        return self.filter(methods=METHODS)

    def store(self, pair: "PairedComparison") -> None:
        """Store a comparison by the methods of today, in place of one by others."""
        pair.methods = METHODS
        self.bulk_create(
            [pair],
            update_conflicts=True,
            unique_fields=["snapshot", "baseline"],
            update_fields=["intervals", "methods"],
        )
