"""How well versions do: metric snapshots, append-only."""

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_registry.models import Organization, RegisteredModel, Version
from performance.querysets import GatePolicyQuerySet, MetricSnapshotQuerySet

CLOCK_SKEW = timedelta(minutes=5)  # by which a reporter's clock may be ahead


class DatasetSplit(models.TextChoices):
    """The part of the data that a version was evaluated on."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Source(models.TextChoices):
    """Where the numbers of a snapshot come from."""

    REPORTED = "reported"
    COMPUTED = "computed"
    IMPORTED = "imported"


class MetricSnapshot(models.Model):
    """The metrics of one evaluation of a version on one split.

    The newest by `(evaluated_at, id)` answers for its version and split. The database refuses to change or delete a
    snapshot: see the migration `snapshots_append_only`.
    """

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="snapshots", db_index=False)
    dataset_split = models.CharField(max_length=10, choices=DatasetSplit.choices)
    metrics = models.JSONField(help_text="Summary metrics of the model's task type, by name; absent when not recorded.")
    sample_count = models.PositiveBigIntegerField(null=True, blank=True)
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.IMPORTED)
    # A name, as a row that never changes cannot let go of a user who is deleted.
    created_by = models.CharField(max_length=150, blank=True, help_text="The name of the user who stored it.")
    evaluated_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    objects = MetricSnapshotQuerySet.as_manager()

    class Meta:
        verbose_name = "metric snapshot"
        constraints = [
            models.CheckConstraint(
                condition=Q(dataset_split__in=DatasetSplit.values), name="snapshot_dataset_split_known"
            ),
            models.CheckConstraint(condition=Q(source__in=Source.values), name="snapshot_source_known"),
        ]
        indexes = [
            # Serves the newest snapshot of a version and split, and the versions' foreign key.
            models.Index(fields=["version", "dataset_split", "-evaluated_at", "-id"], name="snapshot_newest"),
            # Serves the admin's list and its date hierarchy.
            models.Index(fields=["-evaluated_at", "-id"], name="snapshot_by_date"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset_split} at {self.evaluated_at:%Y-%m-%d %H:%M}"

    @property
    def details(self) -> "SnapshotDetail":
        """What it holds beside its summary metrics: nothing, where no detail was stored."""
        return getattr(self, "detail", None) or SnapshotDetail()

    @property
    def all_metrics(self) -> dict[str, float]:
        """The recorded metrics of the task type: those of the summary, and the further ones."""
        return {**self.metrics, **self.details.further_metrics}

    def value_of(self, metric: str) -> float | None:
        """Return a recorded metric, of the task type or of the reporter's own."""
        return {**self.details.custom_metrics, **self.all_metrics}.get(metric)


class SnapshotDetail(models.Model):
    """What a snapshot holds beside its summary metrics. As append-only as the snapshot."""

    snapshot = models.OneToOneField(MetricSnapshot, on_delete=models.PROTECT, primary_key=True, related_name="detail")
    further_metrics = models.JSONField(
        default=dict, help_text="Metrics of the task type that are not in the summary, by name."
    )
    custom_metrics = models.JSONField(default=dict, help_text="Metrics that the task type does not know, by name.")
    confusion_matrix = models.JSONField(null=True, help_text="`labels`, and `counts[actual][predicted]`.")
    confidence_intervals = models.JSONField(default=dict, help_text="`lower`, `upper`, `level`, `method`, by metric.")
    per_class = models.JSONField(default=dict, help_text="By class, then by metric.")
    positive_class = models.TextField(null=True)  # noqa: DJ001  # an empty text may be a class
    averaging = models.CharField(max_length=10, null=True)  # noqa: DJ001
    engine = models.CharField(max_length=40, null=True, help_text="What computed it here.")  # noqa: DJ001
    engine_version = models.CharField(max_length=40, null=True)  # noqa: DJ001
    misclassified_count = models.PositiveBigIntegerField(null=True, help_text="All that were, whether kept or not.")
    curves = models.JSONField(default=dict, help_text="Points to draw, by the kind of curve.")
    dataset_digest = models.CharField(max_length=64, null=True, help_text="Of the predictions, SHA-256.")  # noqa: DJ001
    predictions_digest = models.CharField(  # noqa: DJ001
        max_length=64, null=True, help_text="Of the predictions as they are kept, SHA-256; they are stored under it."
    )

    def __str__(self) -> str:
        return f"detail of {self.snapshot}"


class WorstExample(models.Model):
    """One of the examples that a version predicted worst in an evaluation. As append-only as the snapshot."""

    rank = models.PositiveSmallIntegerField(help_text="From 1, the worst.")
    example_id = models.TextField(null=True)  # noqa: DJ001  # an empty text may be an id
    attributes = models.JSONField(default=dict, help_text="What else is known of it, by name.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.rank}: {self.example_id}"


class MisclassifiedExample(WorstExample):
    """An example of one class that was predicted as another; the most confidently wrong comes first."""

    snapshot = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="misclassified", db_index=False)
    actual = models.TextField()
    predicted = models.TextField()
    confidence = models.FloatField(null=True, help_text="The probability given to the predicted class.")

    class Meta:
        constraints = [
            # Serves the list as well.
            models.UniqueConstraint(fields=["snapshot", "rank"], name="misclassified_rank_once"),
        ]


class ResidualExample(WorstExample):
    """An example with a large error; the largest comes first."""

    snapshot = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="residuals", db_index=False)
    actual = models.FloatField()
    predicted = models.FloatField()
    residual = models.FloatField(help_text="predicted - actual")

    class Meta:
        constraints = [
            # Serves the list as well.
            models.UniqueConstraint(fields=["snapshot", "rank"], name="residual_rank_once"),
        ]


class GatePolicy(models.Model):
    """What a version must be like to ship: of one model, or of all models of an organization without one of their own.

    Each edit is a row, of which the newest counts; one without a document ends the policy. Append-only, so that
    verdicts can name what they judged by: see the migration `gate_policies`.
    """

    model = models.ForeignKey(
        RegisteredModel, on_delete=models.PROTECT, null=True, blank=True, related_name="gate_policies", db_index=False
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, blank=True, related_name="gate_policies", db_index=False
    )
    version = models.PositiveIntegerField(help_text="The sequence number within the model or organization, from 1.")
    document = models.JSONField(null=True, blank=True, help_text="<code>dataset_split</code> and <code>rules</code>.")
    # A name, as a row that never changes cannot let go of a user who is deleted.
    created_by = models.CharField(max_length=150, blank=True, help_text="The name of the user who stored it.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = GatePolicyQuerySet.as_manager()

    class Meta:
        verbose_name = "gate policy"
        verbose_name_plural = "gate policies"
        constraints = [
            # Both serve as well the newest policy of a model and of an organization.
            models.UniqueConstraint(fields=["model", "version"], name="policy_version_once_per_model"),
            models.UniqueConstraint(fields=["organization", "version"], name="policy_version_once_per_organization"),
            models.CheckConstraint(
                condition=Q(model__isnull=False, organization__isnull=True)
                | Q(model__isnull=True, organization__isnull=False),
                name="policy_of_model_or_organization",
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="policy_version_from_1"),
        ]

    def __str__(self) -> str:
        return f"policy {self.version} of {self.model or self.organization}"

    @property
    def owner(self) -> str:
        """Whose it is: `model` or `organization`."""
        return "organization" if self.model_id is None else "model"


class GateVerdict(models.Model):
    """What a gate said of a version when it counted. Append-only: see the migration `gate_policies`."""

    class Occasion(models.TextChoices):
        PROMOTION = "promotion"
        ENFORCEMENT = "enforcement"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="verdicts", db_index=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="verdicts")
    occasion = models.CharField(max_length=12, choices=Occasion.choices)
    status = models.CharField(max_length=10)
    document = models.JSONField(help_text="The verdict as it was told.")
    # A name, as a row that never changes cannot let go of a user who is deleted.
    requested_by = models.CharField(max_length=150, blank=True, help_text="The name of the user who asked.")
    judged_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "gate verdict"
        constraints = [
            models.CheckConstraint(
                condition=Q(occasion__in=["promotion", "enforcement"]), name="verdict_occasion_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["passed", "failed", "no_policy"]), name="verdict_status_known"
            ),
        ]
        # Serves the list of a model's verdicts, newest first.
        indexes = [models.Index(fields=["model", "-id"], name="verdicts_of_model")]

    def __str__(self) -> str:
        return f"{self.version} {self.status} at {self.judged_at:%Y-%m-%d %H:%M}"
