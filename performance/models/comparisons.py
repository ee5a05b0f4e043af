"""The paired comparisons that are still to be computed."""

from django.db import models
from django.db.models import Q

from performance.models.jobs import Job
from performance.models.snapshots import MetricSnapshot
from performance.querysets import ComparisonJobQuerySet


class ComparisonJob(Job):
    """The paired comparison of two snapshots that is not stored yet.

    Whoever computes a pair claims its row first, so that nobody computes the pair twice. The row is deleted when the
    pair is stored. A failed row keeps requests from trying again, until `purge` deletes it.
    """

    snapshot = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="+", db_index=False)
    baseline = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="+", db_index=False)
    interactive = models.BooleanField(default=False, help_text="Whether a request made the first attempt.")

    objects = ComparisonJobQuerySet.as_manager()  # type: ignore[misc]  # in the place of the base class's

    class Meta:
        constraints = [
            # Serves the look-up of a pair as well.
            models.UniqueConstraint(fields=["snapshot", "baseline"], name="comparison_job_once"),
            # Requests compute one pair at a time, in all processes together: each takes most of a core.
            models.UniqueConstraint(
                fields=["interactive"],
                condition=Q(state="running", interactive=True, attempts=1),
                name="one_interactive_comparison_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], due_at__isnull=False, finished_at__isnull=True)
                | Q(state="failed", due_at__isnull=True, finished_at__isnull=False),
                name="comparison_job_due_until_failed",
            ),
        ]
        indexes = [
            # Serves the workers, who look for the job that has been due for longest.
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="comparison_job_due"),
            # Serves the purge of failed comparisons.
            models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="comparison_job_by_end"),
        ]

    def __str__(self) -> str:
        return f"comparison of {self.snapshot_id} with {self.baseline_id}, {self.state}"
