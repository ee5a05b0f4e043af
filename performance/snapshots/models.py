"""Metric snapshots and their details. Both are append-only: the database refuses to change or delete a row."""

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_registry.accounts.models import Organization
from models_registry.registry.models import Version
from performance.metrics.comparison import DIGEST_LENGTH, Examples, OptionValue, known_options
from performance.metrics.inputs.options import MAX_COLUMN_NAME_LENGTH
from performance.metrics.result import MAX_DATASET_NAME
from performance.snapshots.model_fields import FloatsField
from performance.snapshots.querysets import MetricSnapshotQuerySet, SnapshotSliceQuerySet

MAX_METRIC_NAME = 100  # characters, of a custom metric; the task types' own names are shorter
CLOCK_SKEW = timedelta(minutes=5)  # how far a reporter's clock may be ahead


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


class Dataset(models.Model):
    """A dataset of an organization that its versions are evaluated on. A snapshot names it; a new name declares it."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="datasets", db_index=False)
    name = models.CharField(max_length=MAX_DATASET_NAME)
    description = models.TextField(blank=True)
    created_by = models.CharField(max_length=150, blank=True, help_text="The name of the user who declared it.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # Serves the list, by name.
            models.UniqueConstraint(fields=["organization", "name"], name="dataset_name_once_per_organization"),
        ]

    def __str__(self) -> str:
        return self.name


class DatasetVersion(models.Model):
    """A version of a dataset and the digest of its examples, as snapshots have them. What is unknown is empty."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions", db_index=False)
    version = models.CharField(max_length=MAX_DATASET_NAME, blank=True)
    digest = models.CharField(max_length=64, blank=True, help_text="The SHA-256 of the examples.")
    first_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # Serves the versions of a dataset as well.
            models.UniqueConstraint(fields=["dataset", "version", "digest"], name="dataset_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} {self.version or self.digest[:DIGEST_LENGTH]}"


class MetricSnapshot(models.Model):
    """The metrics of one evaluation of a version on one split.

    The newest snapshot by `(evaluated_at, id)` is the current one of its version, split and dataset. The database
    refuses to change or delete a snapshot: see the migration `snapshots_append_only`.
    """

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="snapshots", db_index=False)
    dataset_split = models.CharField(max_length=10, choices=DatasetSplit.choices)
    dataset = models.CharField(
        max_length=MAX_DATASET_NAME,
        blank=True,
        default="",
        db_default="",
        help_text="The name of the dataset; empty for the primary one.",
    )
    metrics = FloatsField(help_text="The summary metrics by name; a metric that was not recorded is absent.")
    sample_count = models.PositiveBigIntegerField(null=True, blank=True)
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.IMPORTED)
    # A name instead of a foreign key: the row cannot change when the user is deleted.
    created_by = models.CharField(max_length=150, blank=True, help_text="The name of the user who stored it.")
    evaluated_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    objects = MetricSnapshotQuerySet.as_manager()

    matrix_labels: list[str] | None  # as `with_matrix_rows` adds them
    matrix_counts: list[list[int]]
    matrix_text: str  # as `with_matrix_text` adds it
    worst_slices: "list[SnapshotSlice]"  # as a report has them

    class Meta:
        verbose_name = "metric snapshot"
        constraints = [
            models.CheckConstraint(
                condition=Q(dataset_split__in=DatasetSplit.values),
                name="snapshot_dataset_split_known",
                violation_error_message="There is no such split.",
            ),
            models.CheckConstraint(
                condition=Q(source__in=Source.values),
                name="snapshot_source_known",
                violation_error_message="There is no such source of metrics.",
            ),
        ]
        indexes = [
            # Serves the newest snapshot of a version, split and dataset, and the versions' foreign key.
            models.Index(
                fields=["version", "dataset_split", "dataset", "-evaluated_at", "-id"],
                name="snapshot_newest_of_dataset",
            ),
            # Serves the admin's list and its date hierarchy.
            models.Index(fields=["-evaluated_at", "-id"], name="snapshot_by_date"),
            # Serves the leaderboard of a named dataset.
            models.Index(
                fields=["dataset", "dataset_split", "-id"], condition=~Q(dataset=""), name="snapshot_by_named_dataset"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.name}"

    @property
    def name(self) -> str:
        """The split and the time, by which people distinguish the snapshots of a version."""
        return f"{self.dataset_split} at {self.evaluated_at:%Y-%m-%d %H:%M}"

    @property
    def details(self) -> "SnapshotDetail":
        """The snapshot's detail; an empty one if none was stored."""
        return getattr(self, "detail", None) or SnapshotDetail()

    @property
    def dataset_identity(self) -> dict[str, str | None] | None:
        """The `name`, `version` and `digest` of the dataset; `None` if all are unknown."""
        details = self.details
        identity = {
            "name": self.dataset or None,
            "version": details.dataset_version,
            "digest": details.examples_digest,
        }
        return identity if any(identity.values()) else None

    @property
    def all_metrics(self) -> dict[str, float]:
        """The recorded metrics of the task type, by name: those of the summary and the further ones."""
        return {**self.metrics, **self.details.further_metrics}

    def value_of(self, metric: str) -> float | None:
        """Return a metric of the task type or a custom one; `None` if it was not recorded."""
        return {**self.details.custom_metrics, **self.all_metrics}.get(metric)


class SnapshotDetail(models.Model):
    """The part of a snapshot that its summary does not need. It is append-only, as the snapshot is."""

    snapshot = models.OneToOneField(MetricSnapshot, on_delete=models.PROTECT, primary_key=True, related_name="detail")
    further_metrics = FloatsField(default=dict, help_text="The other metrics of the task type, by name.")
    custom_metrics = FloatsField(default=dict, help_text="The metrics that the task type does not define, by name.")
    confusion_matrix = models.JSONField(null=True, help_text="The `labels` and the `counts[actual][predicted]`.")
    confidence_intervals = FloatsField(
        default=dict, help_text="The interval of each metric, by name: `lower`, `upper`, `level` and `method`."
    )
    per_class = models.JSONField(default=dict, help_text="The metrics of each class, by label and then by name.")
    positive_class = models.TextField(null=True)  # noqa: DJ001  # the empty string may be a class
    averaging = models.CharField(max_length=10, null=True)  # noqa: DJ001
    engine = models.CharField(  # noqa: DJ001
        max_length=40, null=True, help_text="The engine that computed the metrics; null for reported metrics."
    )
    engine_version = models.CharField(max_length=40, null=True)  # noqa: DJ001
    row_count = models.PositiveBigIntegerField(
        null=True, help_text="The number of rows, including those without a prediction."
    )
    misclassified_count = models.PositiveBigIntegerField(
        null=True, help_text="The number of misclassified examples; only the worst are stored."
    )
    curves = models.JSONField(default=dict, help_text="The points of each curve, by the kind of curve.")
    # Null if there are no examples, or if each example holds the names itself, as older rows do.
    attribute_names = models.JSONField(
        null=True, help_text="The names of the attributes of the worst examples, in order."
    )
    metrics_unavailable = models.JSONField(default=dict, db_default={}, help_text="Why metrics have no value, by name.")
    intervals_unavailable = models.JSONField(
        default=dict, db_default={}, help_text="Why metrics have no interval, by name."
    )
    effective_sample_size = models.FloatField(
        null=True, help_text="The number of unweighted, independent examples that are as informative."
    )
    missing_fraction = models.FloatField(null=True, help_text="The share of rows without a prediction, from 0 to 1.")
    train_overlap = models.FloatField(
        null=True, help_text="The share of the examples that are also in the version's train split, from 0 to 1."
    )
    evaluation_options = models.JSONField(
        default=dict, db_default={}, help_text="The options of the evaluation, both requested and chosen by default."
    )
    warnings = models.JSONField(default=list, db_default=[], help_text="The `code` and the `detail` of each warning.")
    examples_digest = models.CharField(  # noqa: DJ001
        max_length=64, null=True, help_text="The SHA-256 of the examples without their predictions."
    )
    dataset_version = models.CharField(  # noqa: DJ001
        max_length=MAX_DATASET_NAME, null=True, help_text="The version of the named dataset."
    )
    dataset_digest = models.CharField(max_length=64, null=True, help_text="The SHA-256 of the uploaded predictions.")  # noqa: DJ001
    predictions_digest = models.CharField(  # noqa: DJ001
        max_length=64,
        null=True,
        help_text="The SHA-256 of the exported predictions, which is also their name in the store.",
    )

    class Meta:
        indexes = [
            # Serves the look-up of the snapshots that need a stored file, when it is stored again and by the purge.
            models.Index(
                fields=["predictions_digest"],
                condition=Q(predictions_digest__isnull=False),
                name="detail_by_predictions",
            ),
            # Serves the leaderboard of the versions that were evaluated on the same examples.
            models.Index(
                fields=["examples_digest", "-snapshot"],
                condition=Q(examples_digest__isnull=False),
                name="detail_by_examples",
            ),
        ]

    def __str__(self) -> str:
        return f"detail of {self.snapshot}"

    @property
    def examples(self) -> Examples:
        """The examples that the snapshot was measured on."""
        return Examples(self.examples_digest, self.missing_fraction)

    @property
    def known_options(self) -> dict[str, OptionValue]:
        """The options of the evaluation that are known."""
        return known_options(self.evaluation_options, self.positive_class, self.averaging)


class SnapshotSlice(models.Model):
    """The metrics of the examples with one value of an attribute. It is append-only, as the snapshot is."""

    snapshot = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="slices", db_index=False)
    attribute = models.CharField(max_length=MAX_COLUMN_NAME_LENGTH)
    position = models.PositiveSmallIntegerField(
        help_text="The position of the value among those of the attribute, from 1."
    )
    value = models.TextField(  # noqa: DJ001  # the empty string may be a value
        null=True, help_text="The value; null for all values but the most frequent ones, taken together."
    )
    sample_count = models.PositiveBigIntegerField()
    metrics = FloatsField(help_text="The summary metrics by name; an undefined metric is absent.")
    confidence_intervals = FloatsField(
        default=dict, help_text="The interval of each metric, by name: `lower`, `upper`, `level` and `method`."
    )
    intervals_unavailable = models.JSONField(default=dict, help_text="Why metrics have no interval, by name.")

    objects = SnapshotSliceQuerySet.as_manager()

    class Meta:
        constraints = [
            # Serves the list as well.
            models.UniqueConstraint(fields=["snapshot", "attribute", "position"], name="slice_position_once"),
        ]

    def __str__(self) -> str:
        return f"{self.attribute}={self.value}"
