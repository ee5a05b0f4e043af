"""Querysets of jobs, used as queues."""

from datetime import timedelta
from typing import Any, Self

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone


class DatabaseNow(Now):
    """The clock of the database. Leases use it, as the clocks of machines may differ by more than a lease.

    On SQLite, it is the clock of this process: that is the same machine, and more precise.
    """

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: object) -> Any:
        """Return the SQL of the current time."""
        return compiler.compile(Value(timezone.now(), output_field=self.output_field))


class JobQuerySet(models.QuerySet[Any]):
    """Jobs that workers claim, as described by `performance.jobs.models.Job`."""

    def claim(self, lease: timedelta) -> Any:
        """Claim the next job, and return it; `None` if no job is due.

        The job becomes due again after `lease`, unless the lease is extended. Two workers never claim the same job:
        PostgreSQL skips rows that another transaction has locked, and SQLite runs one writing transaction at a time.
        """
        if not self.due().exists():  # this check takes no lock
            return None
        with transaction.atomic():
            job = self.due().order_by_turn().select_for_update(skip_locked=True, of=("self",)).first()
            if job is not None:
                job.state, job.attempts = "running", job.attempts + 1
                job.started_at = job.started_at or timezone.now()
                claimed = {name: getattr(job, name) for name in ("state", "attempts", "started_at")}
                self.filter(pk=job.pk).update(**claimed, due_at=DatabaseNow() + lease)
        return job

    def due(self) -> Self:
        """Filter jobs that may be claimed."""
        return self.filter(due_at__lte=DatabaseNow())

    def order_by_turn(self) -> Self:
        """Sort by turn: the job that has been due for longest comes first."""
        return self.order_by("due_at")

    def leased_by(self, job: Any) -> Self:
        """Filter the job, if the worker that claimed it still has the lease."""
        return self.filter(pk=job.pk, attempts=job.attempts, state="running")

    def release(self, job: Any, *, wait: timedelta, counts: bool = True) -> bool:
        """Make a leased job due after a while. Return whether the lease was still valid.

        An attempt that does not count (`counts=False`) failed without fault of the job.
        """
        attempts = F("attempts") - (0 if counts else 1)
        return bool(self.leased_by(job).update(state="queued", due_at=DatabaseNow() + wait, attempts=attempts))


class FairJobQuerySet(JobQuerySet):
    """Jobs of organizations that take turns, so that an organization with many jobs does not delay the others."""

    def with_owner(self) -> Self:
        """Annotate `owner`, the id of the organization that a job belongs to."""
        return self.annotate(owner=F("organization"))

    def order_by_turn(self) -> Self:
        """Sort by turn.

        The organization with the fewest running jobs comes first, then the one whose last job started longest ago, then
        the job that has been due for longest.
        """
        same_owner = self.model._default_manager.filter(organization=OuterRef("owner"))
        running = same_owner.filter(state="running", due_at__gt=DatabaseNow()).order_by().values("organization")
        started = same_owner.filter(started_at__isnull=False).order_by("-started_at").values("started_at")
        return self.with_owner().order_by(
            Coalesce(Subquery(running.annotate(count=Count("pk")).values("count")), 0),
            Subquery(started[:1]).asc(nulls_first=True),
            "due_at",
        )

    def unfinished_for(self, organization_id: int) -> Self:
        """Filter the queued and running jobs of an organization."""
        return self.filter(organization=organization_id, due_at__isnull=False)
