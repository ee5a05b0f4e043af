"""Jobs as a queue, as queryset methods."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, Now
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

if TYPE_CHECKING:
    from performance.jobs.models import Job, Worker  # noqa: F401  # the classes of rows

ALIVE_WITHIN = timedelta(minutes=1)  # of its last report, a worker counts as alive
MAX_RECENT_WORKERS = 100

JobType = TypeVar("JobType", bound="Job", covariant=True)


class DatabaseNow(Now):
    """The database's clock, which leases run by: the clocks of machines may differ by more than a lease.

    SQLite runs on one machine, whose clock is more precise than SQLite's own.
    """

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: object
    ) -> tuple[str, tuple[str | int, ...]]:
        """Return the SQL of the current time."""
        sql, params = compiler.compile(Value(timezone.now(), output_field=self.output_field))
        return sql, tuple(params)


class JobQuerySet(models.QuerySet[JobType]):
    """Jobs: rows that workers claim, as described in `performance.jobs.models.Job`."""

    def claim(self, lease: timedelta) -> JobType | None:
        """Claim the job whose turn it is, and return it; `None` if none is due.

        It comes due again after `lease`, unless the lease is extended. Two workers never claim the same job: PostgreSQL
        skips rows that another transaction has locked, and SQLite runs one writing transaction at a time.
        """
        if not self.due().exists():  # which costs no lock
            return None
        with transaction.atomic():
            job = self.due().order_by_turn().select_for_update(skip_locked=True, of=("self",)).first()
            if job is not None:
                job.state, job.attempts = "running", job.attempts + 1
                job.started_at = job.started_at or timezone.now()
                changes = {name: getattr(job, name) for name in ("state", "attempts", "started_at")}
                self.filter(pk=job.pk).update(**changes, due_at=DatabaseNow() + lease)
        return job

    def due(self) -> Self:
        """Keep the jobs that may be claimed."""
        return self.filter(due_at__lte=DatabaseNow())

    def leased(self) -> Self:
        """Keep the jobs that a living worker is doing."""
        return self.filter(state="running", due_at__gt=DatabaseNow())

    def order_by_turn(self) -> Self:
        """Order by whose turn it is: the job that has been due for longest comes first."""
        return self.order_by("due_at")

    def leased_by(self, job: "Job") -> Self:
        """Keep the job, if the worker that claimed it still has the lease."""
        return self.filter(pk=job.pk, attempts=job.attempts, state="running")

    def release(self, job: "Job", *, wait: timedelta, counts: bool = True) -> bool:
        """Let a claimed job be claimed again after `wait`; return whether the worker still had the lease.

        An attempt does not count if it was interrupted through no fault of the job.
        """
        attempts = F("attempts") - (0 if counts else 1)
        return bool(self.leased_by(job).update(state="queued", due_at=DatabaseNow() + wait, attempts=attempts))


class FairJobQuerySet(JobQuerySet[Any]):  # of models with an `organization`
    """Jobs of organizations that take turns: an organization with many jobs does not delay the others."""

    def with_owner(self) -> Self:
        """Add `owner`, the key of the organization whose turn a job takes."""
        return self.annotate(owner=F("organization"))

    def order_by_turn(self) -> Self:
        """Order by whose turn it is.

        The organization with the fewest running jobs comes first, then the one whose last job began longest ago, then
        the job that has been due for longest.
        """
        of_same = self.model._default_manager.filter(organization=OuterRef("owner"))
        running = of_same.leased().order_by().values("organization")
        started = of_same.filter(started_at__isnull=False).order_by("-started_at").values("started_at")
        return self.with_owner().order_by(
            Coalesce(Subquery(running.annotate(count=Count("pk")).values("count")), 0),
            Subquery(started[:1]).asc(nulls_first=True),
            "due_at",
        )

    def unfinished_for(self, organization_id: int) -> Self:
        """Keep the queued and running jobs of an organization."""
        return self.filter(organization=organization_id, due_at__isnull=False)


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Worker processes."""

    def alive(self) -> Self:
        """Keep the workers that reported within `ALIVE_WITHIN`."""
        return self.filter(seen_at__gt=DatabaseNow() - ALIVE_WITHIN)

    def recent(self) -> Self:
        """Return the workers that reported last, with the database's `now`; those that fell silent lately as well."""
        return self.annotate(now=DatabaseNow()).order_by("-seen_at")[:MAX_RECENT_WORKERS]
