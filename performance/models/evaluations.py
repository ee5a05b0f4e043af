"""The evaluations that are asked for."""

import uuid
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from models_registry.models import Organization, User, Version
from performance.models.jobs import Job
from performance.models.snapshots import DatasetSplit, MetricSnapshot
from performance.querysets import EvaluationQuerySet

UPLOADS = "uploads"  # where in the storage predictions wait to be evaluated


class EvaluationJob(Job):
    """The evaluation of uploaded predictions of a version, and what became of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="evaluations")
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Whose turn it takes; null for an evaluation that ended before this was recorded.",
    )
    dataset_split = models.CharField(max_length=10, choices=DatasetSplit.choices)
    columns = models.JSONField(default=dict, help_text="Which columns hold what, where not named as usual.")
    options = models.JSONField(default=dict, help_text="What its author chose: the positive class, the averaging, …")
    file = models.FileField(help_text="The upload, which is kept until the evaluation has ended.")
    digest = models.CharField(max_length=64, help_text="Of the upload, SHA-256.")
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    progress = models.FloatField(default=0.0, help_text="From 0 to 1.")
    snapshot = models.OneToOneField(
        MetricSnapshot, on_delete=models.PROTECT, null=True, blank=True, related_name="evaluation"
    )
    problem = models.JSONField(null=True, blank=True, help_text="`code`, `detail`, `column`, `row`: why it failed.")

    objects: ClassVar[Any] = EvaluationQuerySet.as_manager()

    class Meta:
        verbose_name = "evaluation"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], due_at__isnull=False, finished_at__isnull=True)
                | Q(state__in=["succeeded", "failed"], due_at__isnull=True, finished_at__isnull=False),
                name="evaluation_due_until_finished",
            ),
            models.CheckConstraint(
                condition=Q(state="succeeded", snapshot__isnull=False)
                | (~Q(state="succeeded") & Q(snapshot__isnull=True)),
                name="evaluation_snapshot_iff_succeeded",
            ),
        ]
        indexes = [
            # Serves the workers, who look for the job that has been due for longest.
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="evaluation_due"),
            # Serves the quota of an organization, and the count of its running evaluations.
            models.Index(
                fields=["organization", "due_at"], condition=Q(due_at__isnull=False), name="evaluation_due_by_owner"
            ),
            # Serves the worker, who looks for the organization whose last turn is longest ago.
            models.Index(
                fields=["organization", "-started_at"],
                condition=Q(started_at__isnull=False),
                name="evaluation_started_by_owner",
            ),
            # Serves the purge of old evaluations.
            models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="evaluation_by_end"),
        ]

    def __str__(self) -> str:
        return f"evaluation of {self.version} on {self.dataset_split}, {self.state}"
