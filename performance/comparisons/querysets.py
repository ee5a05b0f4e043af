"""Comparison jobs as queryset methods."""

from datetime import timedelta
from typing import Any, Self

from django.db import IntegrityError, transaction
from django.db.models import Exists, Q
from django.utils import timezone

from performance.jobs.querysets import DatabaseNow, FairJobQuerySet


class ComparisonJobQuerySet(FairJobQuerySet):
    """Paired comparisons, which organizations take turns with."""

    def of_pair(self, snapshot: Any, baseline: Any) -> Self:
        """Keep the job of two snapshots."""
        return self.filter(snapshot=snapshot.pk, baseline=baseline.pk)

    def claim_for_request(self, job: Any, lease: timedelta) -> bool:
        """Claim a job that nobody has attempted, unless another request is computing a pair; return whether it did.

        Of all threads and processes that ask at once, one claims: a constraint makes sure of that.
        """
        computing = self.model.objects.filter(state="running", interactive=True, attempts=1)
        computing.filter(due_at__lte=DatabaseNow()).update(state="queued")  # of processes that were killed
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

    def claim_for_promotion(self, job: Any, lease: timedelta) -> bool:
        """Claim a job that waits or whose process was killed, whatever requests compute; return whether it did."""
        free = self.filter(
            Q(state="queued") | Q(state="running", due_at__lte=DatabaseNow()), pk=job.pk, attempts=job.attempts
        )
        claimed = {"state": "running", "interactive": False, "attempts": job.attempts + 1}
        if not free.update(**claimed, started_at=timezone.now(), due_at=DatabaseNow() + lease):
            return False
        job.state, job.attempts = "running", job.attempts + 1
        return True

    def fail(self, job: Any) -> None:
        """Record that a job failed for good, if whoever claimed it still holds it."""
        self.leased_by(job).update(state="failed", due_at=None, finished_at=timezone.now())
