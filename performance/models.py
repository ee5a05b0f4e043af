"""How well versions do: metric snapshots, append-only."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_registry.models import Version
from performance.querysets import MetricSnapshotQuerySet


class DatasetSplit(models.TextChoices):
    """The part of the data that a version was evaluated on."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class MetricSnapshot(models.Model):
    """The metrics of one evaluation of a version on one split.

    The newest by `(evaluated_at, id)` answers for its version and split. The database refuses to change or delete a
    snapshot: see the migration `snapshots_append_only`.
    """

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="snapshots", db_index=False)
    dataset_split = models.CharField(max_length=10, choices=DatasetSplit.choices)
    metrics = models.JSONField(help_text="Summary metrics of the model's task type, by name; absent when not recorded.")
    sample_count = models.PositiveBigIntegerField(null=True, blank=True)
    evaluated_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    objects = MetricSnapshotQuerySet.as_manager()

    class Meta:
        verbose_name = "metric snapshot"
        constraints = [
            models.CheckConstraint(
                condition=Q(dataset_split__in=DatasetSplit.values), name="snapshot_dataset_split_known"
            ),
        ]
        indexes = [
            # Serves the newest snapshot of a version and split, and the versions' foreign key.
            models.Index(fields=["version", "dataset_split", "-evaluated_at", "-id"], name="snapshot_newest"),
            # Serves the admin's list and its date hierarchy.
            models.Index(fields=["-evaluated_at", "-id"], name="snapshot_by_date"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset_split} at {self.evaluated_at:%Y-%m-%d %H:%M}"
