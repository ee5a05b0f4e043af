"""Evaluation jobs as queryset methods."""

from datetime import timedelta
from typing import TYPE_CHECKING, Self

from django.db.models import BooleanField, Case, Exists, Q, When
from django.db.models.functions import Coalesce

from performance.jobs.models import Worker
from performance.jobs.querysets import FairJobQuerySet

if TYPE_CHECKING:
    from performance.evaluations.models import EvaluationJob


class EvaluationQuerySet(FairJobQuerySet):
    """Evaluation jobs. Organizations take turns.

    The previous release may run during an upgrade, and queues evaluations without an organization. Such an
    evaluation belongs to the organization of its model, which is recorded once a worker takes it.
    """

    def with_owner(self) -> Self:
        """Add `owner`, the primary key of the organization whose turn an evaluation takes."""
        return self.annotate(owner=Coalesce("organization", "version__model__organization"))

    def claim(self, lease: timedelta) -> "EvaluationJob | None":
        """Claim the evaluation whose turn it is, and record its organization."""
        job: EvaluationJob | None = super().claim(lease)
        if job is not None and job.organization_id is None:
            job.organization_id = job.owner
            self.filter(pk=job.pk).update(organization=job.owner)
        return job

    def with_worker(self) -> Self:
        """Add `worker_alive`: whether a worker lives that may take a queued evaluation; `None` for any other."""
        alive = Case(When(state="queued", then=Exists(Worker.objects.alive())), output_field=BooleanField(null=True))
        return self.annotate(worker_alive=alive)

    def unfinished_for(self, organization_id: int) -> Self:
        """Keep the queued and running evaluations of an organization."""
        unrecorded = Q(organization=None, version__model__organization=organization_id)
        return self.filter(Q(organization=organization_id) | unrecorded, due_at__isnull=False)
