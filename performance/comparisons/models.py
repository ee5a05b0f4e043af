"""Comparisons of two snapshots example by example: the jobs, and the results."""

from django.db import models
from django.db.models import Q

from models_registry.accounts.models import Organization
from performance.comparisons.querysets import ComparisonJobQuerySet, PairedComparisonQuerySet
from performance.jobs.models import Job, due_until_finished
from performance.snapshots.model_fields import FloatsField
from performance.snapshots.models import MetricSnapshot


class ComparisonJob(Job):
    """The computation of the paired comparison of two snapshots.

    Whoever computes a pair claims its row first, so that no pair is computed twice. An ended job stays for a while: the
    turns of organizations depend on it, and a failed job keeps requests from trying again. `purge` deletes it later.
    """

    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="The organization that the job counts towards when the worker takes turns.",
    )
    snapshot = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="+", db_index=False)
    baseline = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="+", db_index=False)
    interactive = models.BooleanField(default=False, help_text="Whether a request made the first attempt.")

    objects = ComparisonJobQuerySet.as_manager()  # type: ignore[misc]  # replaces the base class's manager

    class Meta:
        verbose_name = "comparison"
        constraints = [
            # Serves the look-up of a pair as well.
            models.UniqueConstraint(fields=["snapshot", "baseline"], name="comparison_job_once"),
            # Requests compute one pair at a time, in all processes together: each takes most of a core.
            models.UniqueConstraint(
                fields=["interactive"],
                condition=Q(state="running", interactive=True, attempts=1),
                name="one_interactive_comparison_at_a_time",
            ),
            due_until_finished("comparison_job_due_until_finished"),
        ]
        indexes = [
            # Serves the workers, who look for the job that has been due for longest.
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="comparison_job_due"),
            # Serves the limit of each organization, and the count of its running comparisons.
            models.Index(
                fields=["organization", "due_at"], condition=Q(due_at__isnull=False), name="comparison_job_due_by_owner"
            ),
            # Serves the worker, who looks for the organization whose last turn is longest ago.
            models.Index(
                fields=["organization", "-started_at"],
                condition=Q(started_at__isnull=False),
                name="comparison_started_by_owner",
            ),
            # Serves the purge of old comparisons.
            models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="comparison_job_by_end"),
        ]

    def __str__(self) -> str:
        return f"comparison of {self.snapshot_id} with {self.baseline_id}, {self.state}"


class PairedComparison(models.Model):
    """The confidence intervals of the differences between two snapshots' metrics, from paired examples.

    The two snapshots never change. If a method changes, the pair is computed again when somebody needs it.
    """

    snapshot = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="+", db_index=False)
    baseline = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="+", db_index=False)
    intervals = FloatsField(help_text="The interval of each difference, by metric; empty if the examples differ.")
    methods = models.PositiveSmallIntegerField(
        default=0, help_text="The revision of the methods that computed it; 0 is older than any."
    )

    objects = PairedComparisonQuerySet.as_manager()

    class Meta:
        constraints = [
            # Serves the look-up of a pair as well.
            models.UniqueConstraint(fields=["snapshot", "baseline"], name="paired_comparison_once"),
        ]

    def __str__(self) -> str:
        return f"{self.snapshot_id} against {self.baseline_id}"
