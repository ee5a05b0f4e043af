"""Registered models, their versions and promotions."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from models_registry.registry import ids
from models_registry.registry.querysets import RegisteredModelQuerySet, VersionQuerySet
from models_registry.registry.validators import validate_source_uri


class RegisteredModel(models.Model):
    """A model that an organization trains. At most one of its versions is promoted at a time."""

    class State(models.TextChoices):
        """The state that follows from its versions: see `with_state`. No column stores it."""

        DRAFT = "draft"
        TRAINING = "training"
        READY = "ready"
        ARCHIVED = "archived"

    model_id = models.CharField(
        max_length=14,
        primary_key=True,
        default=ids.new_model_id,
        editable=False,
        validators=[RegexValidator(rf"^{ids.MODEL_ID_PATTERN}\Z")],
    )
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="models", db_index=False)
    name = models.CharField(max_length=200)
    # No check constraint: adding a task type takes a new module, and no migration.
    task_type = models.CharField(max_length=40, choices=task_types.choices)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)
    # The database refuses a version of another model; see the migration `promoted_version_of_same_model`.
    positive_class = models.TextField(  # noqa: DJ001  # the empty string may be a class
        null=True, blank=True, help_text="The class that every evaluation treats as the positive one of two."
    )
    promoted_version = models.ForeignKey(
        "Version", on_delete=models.PROTECT, null=True, blank=True, related_name="promoted_in"
    )
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    archived_at = models.DateTimeField(null=True, blank=True)

    state: str  # one of `State`, as `with_state` read it
    permitted: bool  # whether the caller has the scope that was asked for, as `with_permission` read it
    named_version: "Version | None"  # as `find_model` read it
    objects = RegisteredModelQuerySet.as_manager()

    class Meta:
        verbose_name = "registered model"
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="model_name_once_per_organization"),
            models.CheckConstraint(
                condition=Q(model_id__regex=rf"^{ids.MODEL_ID_PATTERN}\Z"),
                name="model_id_form",
                violation_error_message="A model id is “mdl-” and ten hexadecimal digits.",
            ),
        ]
        indexes = [
            # Serves the list of models, newest first.
            models.Index(fields=["-created_at", "-model_id"], name="model_newest"),
        ]

    def __str__(self) -> str:
        return self.name


class Version(models.Model):
    """One training of a model. The states `completed` and `failed` are final."""

    class State(models.TextChoices):
        TRAINING = "training"
        COMPLETED = "completed"
        FAILED = "failed"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="versions", db_index=False)
    number = models.PositiveIntegerField(help_text="The sequence number within the model, from 1.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.TRAINING)
    description = models.TextField(blank=True)
    source_uri = models.CharField(
        max_length=2000,
        blank=True,
        validators=[validate_source_uri],
        help_text="The location of the trained artefact or of its code.",
    )
    parameters = models.JSONField(default=dict, blank=True, help_text="The parameters of the training.")
    tags = models.JSONField(default=list, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = VersionQuerySet.as_manager()

    class Meta:
        constraints = [
            # Also serves the lookup of a version by its id.
            models.UniqueConstraint(fields=["model", "number"], name="version_number_once_per_model"),
            # The foreign key of a promoted version refers to this.
            models.UniqueConstraint(fields=["model", "id"], name="version_of_model"),
            models.CheckConstraint(
                condition=Q(number__gte=1),
                name="version_number_from_1",
                violation_error_message="The numbers of versions begin with 1.",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["training", "completed", "failed"]),
                name="version_state_known",
                violation_error_message="There is no such state of a version.",
            ),
            models.CheckConstraint(
                condition=Q(state="completed", completed_at__isnull=False)
                | (~Q(state="completed") & Q(completed_at__isnull=True)),
                name="version_completed_at_iff_completed",
                violation_error_message="A completed version has a time of completion, and no other version has.",
            ),
        ]
        indexes = [
            # Serves the lookup of a model's newest completed version and of its derived state.
            models.Index(fields=["model", "state", "-number"], name="version_newest_in_state"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.version_id}"

    @property
    def version_id(self) -> str:
        """The public id, unique within the model."""
        return ids.version_id(self.number)

    @property
    def promoted(self) -> bool:
        """Whether this is the promoted version of its model."""
        return self.model.promoted_version_id == self.pk


class Promotion(models.Model):
    """One change of `RegisteredModel.promoted_version`.

    A rollback refers to the earlier promotion that it restores. So does a promotion of the version that is already
    promoted.
    """

    KINDS = ("promotion", "rollback")

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="promotions", db_index=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="promotions")
    previous_version = models.ForeignKey(
        Version, on_delete=models.PROTECT, null=True, blank=True, related_name="superseding_promotions"
    )
    promoted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="promotions")
    promoted_at = models.DateTimeField(default=timezone.now)
    reason = models.TextField(blank=True)
    restores = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    verdict = models.JSONField(
        null=True, blank=True, help_text="The gate's verdict on the version, if the model has a gate."
    )
    overridden = models.BooleanField(
        default=False, help_text="Whether an admin promoted the version although the gate had refused it."
    )

    class Meta:
        # Serves the promotion history of a model, newest first.
        indexes = [models.Index(fields=["model", "-id"], name="promotion_history")]

    def __str__(self) -> str:
        return f"{self.version} promoted at {self.promoted_at:%Y-%m-%d %H:%M}"

    @property
    def kind(self) -> str:
        """The way in which the version was promoted: `promotion` or `rollback`."""
        is_rollback = self.restores_id is not None and self.version_id != self.previous_version_id
        return "rollback" if is_rollback else "promotion"
