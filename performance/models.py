"""How well versions do: metric snapshots, append-only, the evaluations that are asked for, and who is told."""

import secrets
import uuid
from base64 import b64encode
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_registry.models import Organization, RegisteredModel, User, Version
from performance.outbound import MAX_TEXT, MAX_URL
from performance.querysets import (
    BadgeQuerySet,
    GatePolicyQuerySet,
    JobQuerySet,
    MetricSnapshotQuerySet,
    WebhookQuerySet,
)
from performance.validators import validate_events, validate_webhook_url

UPLOADS = "uploads"  # where in the storage predictions wait to be evaluated
MAX_METRIC_NAME = 100  # of a reporter's own; those of task types are shorter
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
    row_count = models.PositiveBigIntegerField(
        null=True, help_text="All rows of the predictions, with those that were left out for having none."
    )
    misclassified_count = models.PositiveBigIntegerField(null=True, help_text="All that were, whether kept or not.")
    curves = models.JSONField(default=dict, help_text="Points to draw, by the kind of curve.")
    dataset_digest = models.CharField(max_length=64, null=True, help_text="Of the predictions, SHA-256.")  # noqa: DJ001
    predictions_digest = models.CharField(  # noqa: DJ001
        max_length=64, null=True, help_text="Of the predictions as they are kept, SHA-256; they are stored under it."
    )

    def __str__(self) -> str:
        return f"detail of {self.snapshot}"


class PairedComparison(models.Model):
    """What the predictions of two snapshots, taken example by example, say of how far apart their metrics are.

    It follows from what never changes, and so never changes.
    """

    snapshot = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="+", db_index=False)
    baseline = models.ForeignKey(MetricSnapshot, on_delete=models.PROTECT, related_name="+", db_index=False)
    intervals = models.JSONField(help_text="Of each difference, by metric; empty where the examples are not the same.")

    class Meta:
        constraints = [
            # Serves the look-up of a pair as well.
            models.UniqueConstraint(fields=["snapshot", "baseline"], name="paired_comparison_once"),
        ]

    def __str__(self) -> str:
        return f"{self.snapshot_id} against {self.baseline_id}"


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


class EvaluationJob(Job):
    """The evaluation of uploaded predictions of a version, and what became of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="evaluations")
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
        ]

    def __str__(self) -> str:
        return f"evaluation of {self.version} on {self.dataset_split}, {self.state}"


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


def new_webhook_secret() -> str:
    """Return a random secret of 256 bits, in the form of Standard Webhooks."""
    return f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"


class Webhook(models.Model):
    """A URL that is told what happens to an organization's models, or to one of them."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="webhooks")
    model = models.ForeignKey(
        RegisteredModel,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="webhooks",
        help_text="Of which alone it is told; without one, of all models of the organization.",
    )
    url = models.CharField("URL", max_length=MAX_URL, validators=[validate_webhook_url])
    events = models.JSONField(validators=[validate_events], help_text="The names of those that it is told of.")
    # As it was made, for each message is signed with it.
    secret = models.CharField(max_length=100, default=new_webhook_secret, editable=False)
    is_active = models.BooleanField("active", default=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    objects = WebhookQuerySet.as_manager()

    def __str__(self) -> str:
        return f"webhook {self.pk} of {self.organization}"


class WebhookDelivery(Job):
    """A message to a webhook, and what became of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.CharField(max_length=40)
    payload = models.TextField(help_text="The body, as it is sent at each attempt.")
    last_status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Of the last answer, if one came.")
    last_answer = models.CharField(max_length=MAX_TEXT, blank=True, help_text="How its body began.")
    last_error = models.CharField(max_length=1000, blank=True, help_text="Why it is not delivered.")

    class Meta:
        verbose_name = "delivery"
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], due_at__isnull=False, finished_at__isnull=True)
                | Q(state__in=["succeeded", "failed"], due_at__isnull=True, finished_at__isnull=False),
                name="delivery_due_until_finished",
            ),
        ]
        indexes = [
            # Serves the workers, who look for the message that has been due for longest.
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="delivery_due"),
            # Serves the list of a webhook's deliveries, newest first, and the foreign key.
            models.Index(fields=["webhook", "-created_at", "-id"], name="deliveries_of_webhook"),
            # Serves the purge of old deliveries.
            models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="delivery_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.message_id}"

    @property
    def message_id(self) -> str:
        """What tells the receiver that another attempt is of the same message."""
        return f"msg_{self.pk.hex}"

    @property
    def next_attempt_at(self) -> datetime | None:
        """When it is tried again; `None` once it has ended."""
        return self.due_at if self.state == self.State.QUEUED else None


class Badge(models.Model):
    """What somebody without a token may see of a model, by a signed URL: a metric's value, or the gate's verdict.

    It is of the version that is promoted when it is looked at.
    """

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="badges")
    metric = models.CharField(max_length=MAX_METRIC_NAME, blank=True, help_text="Empty for the gate's verdict.")
    dataset_split = models.CharField(
        max_length=10, choices=DatasetSplit.choices, blank=True, help_text="Of the metric; a policy has a split itself."
    )
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = BadgeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(metric="", dataset_split="") | (~Q(metric="") & Q(dataset_split__in=DatasetSplit.values)),
                name="badge_of_metric_on_split_or_of_verdict",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric or 'verdict'} of {self.model}"
