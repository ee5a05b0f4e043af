"""Evaluation jobs, and the worst examples that an evaluation stores."""

import uuid
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import Version
from performance.evaluations.querysets import EvaluationQuerySet
from performance.jobs.models import Job, due_until_finished
from performance.metrics.result import MAX_DATASET_NAME
from performance.snapshots.models import DatasetSplit, MetricSnapshot

UPLOADS = "uploads"  # the storage's folder for predictions that are not evaluated yet


class EvaluationJob(Job):
    """The evaluation of uploaded predictions of a version, and its result."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="evaluations")
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="The organization that the job counts towards when the worker takes turns; null in old evaluations.",
    )
    dataset_split = models.CharField(max_length=10, choices=DatasetSplit.choices)
    columns = models.JSONField(default=dict, help_text="The column mapping, for columns without their usual names.")
    options = models.JSONField(
        default=dict, help_text="The options of the request, such as the positive class and the averaging."
    )
    dataset = models.CharField(
        max_length=MAX_DATASET_NAME,
        blank=True,
        default="",
        db_default="",
        help_text="The name of the dataset; empty for the primary one.",
    )
    dataset_version = models.CharField(  # noqa: DJ001
        max_length=MAX_DATASET_NAME, null=True, help_text="The version of the named dataset."
    )
    file = models.FileField(help_text="The upload, stored until the evaluation has ended.")
    digest = models.CharField(max_length=64, help_text="The SHA-256 of the upload.")
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    progress = models.FloatField(default=0.0, help_text="The progress, from 0 to 1.")
    snapshot = models.OneToOneField(
        MetricSnapshot, on_delete=models.PROTECT, null=True, blank=True, related_name="evaluation"
    )
    problem = models.JSONField(
        null=True, blank=True, help_text="Why the evaluation failed: `code`, `detail`, `column` and `row`."
    )

    owner: int  # the primary key of an organization, as `with_owner` read it
    objects: ClassVar[Any] = EvaluationQuerySet.as_manager()

    class Meta:
        verbose_name = "evaluation"
        constraints = [
            due_until_finished("evaluation_due_until_finished"),
            models.CheckConstraint(
                condition=Q(state="succeeded", snapshot__isnull=False)
                | (~Q(state="succeeded") & Q(snapshot__isnull=True)),
                name="evaluation_snapshot_iff_succeeded",
                violation_error_message="An evaluation that succeeded has a snapshot, and no other evaluation has.",
            ),
        ]
        indexes = [
            # Serves the workers, who look for the job that has been due for longest.
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="evaluation_due"),
            # Serves the quota of each organization, and the count of its running evaluations.
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


class WorstExample(models.Model):
    """One of the worst predictions in an evaluation. It is append-only, as the snapshot is."""

    snapshot: MetricSnapshot  # the foreign key of the subclass
    rank = models.PositiveSmallIntegerField(help_text="The rank among the worst examples, from 1 for the worst.")
    example_id = models.TextField(null=True)  # noqa: DJ001  # the empty string may be an id
    attributes = models.JSONField(
        default=dict,
        help_text="The values of the other columns, in the order of the detail's `attribute_names`; in older rows an "
        "object of values by name.",
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.rank}: {self.example_id}"

    @property
    def named_attributes(self) -> dict[str, str | None]:
        """The attributes of the example, by name."""
        if isinstance(self.attributes, dict):
            return self.attributes
        return dict(zip(self.snapshot.details.attribute_names or [], self.attributes, strict=True))


class MisclassifiedExample(WorstExample):
    """An example that was predicted as the wrong class. The most confident wrong prediction has rank 1."""

    snapshot = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="misclassified", db_index=False)
    actual = models.TextField()
    predicted = models.TextField()
    confidence = models.FloatField(null=True, help_text="The probability of the predicted class.")

    class Meta:
        constraints = [
            # Serves the list as well.
            models.UniqueConstraint(fields=["snapshot", "rank"], name="misclassified_rank_once"),
        ]


class ResidualExample(WorstExample):
    """An example with a large error. The largest error has rank 1."""

    snapshot = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="residuals", db_index=False)
    actual = models.FloatField()
    predicted = models.FloatField()
    residual = models.FloatField(help_text="The predicted value minus the actual one.")

    class Meta:
        constraints = [
            # Serves the list as well.
            models.UniqueConstraint(fields=["snapshot", "rank"], name="residual_rank_once"),
        ]
