"""Work that a worker process does."""

from django.db import models
from django.utils import timezone

from performance.jobs.querysets import JobQuerySet


class Job(models.Model):
    """Work that is taken from the database by a worker process. Its row is its place in the queue.

    A job may be taken once it is due. Who takes it puts that off for a while, and does so again for as long as the work
    goes on: the job of a worker that was killed comes due by itself. One that has ended is never due. `attempts` counts
    how often it was taken, and tells whoever took it earlier that it is no longer theirs.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    due_at = models.DateTimeField(null=True, blank=True, default=timezone.now, help_text="Never, once it has ended.")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        abstract = True
