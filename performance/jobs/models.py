"""The base of jobs that a worker process does."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from performance.jobs.querysets import JobQuerySet, WorkerQuerySet


def due_until_finished(name: str) -> models.CheckConstraint:
    """Return the constraint that a job is due until it has ended, and never afterwards."""
    return models.CheckConstraint(
        condition=Q(state__in=["queued", "running"], due_at__isnull=False, finished_at__isnull=True)
        | Q(state__in=["succeeded", "failed"], due_at__isnull=True, finished_at__isnull=False),
        name=name,
        violation_error_message="A job is due until it has ended, and not afterwards.",
    )


class Job(models.Model):
    """A job in the queue of a worker process. The row is its place in the queue.

    A due job may be claimed. The worker that claims it moves `due_at` to the end of its lease, and extends it during
    the work, so that the job of a killed worker becomes due again. A finished job is never due. `attempts` counts the
    claims; by it, an earlier worker recognizes that it has lost the lease.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    due_at = models.DateTimeField(
        null=True, blank=True, default=timezone.now, help_text="When the job can be claimed; null when it has ended."
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        abstract = True


class Worker(models.Model):
    """A worker process, which reports every few seconds that it lives. Its row is deleted when it stops."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=255, help_text="The name of its machine or container.")
    pid = models.PositiveBigIntegerField()
    memory_bytes = models.PositiveBigIntegerField(null=True, help_text="Its resident memory, if the system says it.")
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(help_text="When it last reported, by the clock of the database.")
    now: datetime  # of the database, as `recent` read it

    objects = WorkerQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
