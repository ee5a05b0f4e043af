"""What exists: users, organizations, members, grants, registered models, versions, promotions, trusted issuers.

Invariants live in the database, each named after what it forbids; every index says which query it serves.
"""

import uuid
from datetime import timedelta
from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_registry import ids, task_types
from models_registry.audit_models import AuditEntry as AuditEntry
from models_registry.querysets import OrganizationQuerySet, RegisteredModelQuerySet, VersionQuerySet
from models_registry.scopes import MODEL_SCOPES, Role
from models_registry.trust import MAX_TEXT
from models_registry.validators import validate_patterns, validate_provider_url, validate_scopes, validate_source_uri


class User(AbstractUser):
    """Someone who can log in, or a service account: something that works with tokens alone."""

    is_service_account = models.BooleanField(
        "service account",
        default=False,
        db_default=False,
        help_text="For a pipeline: it cannot log in, and works with tokens that an operator or a trusted issuer makes.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(is_service_account=False) | Q(is_staff=False, is_superuser=False),
                name="service_account_not_staff",
                violation_error_message="A service account can be neither staff nor superuser.",
            ),
        ]


class ServiceAccountManager(UserManager["ServiceAccount"]):
    """The users that are service accounts."""

    use_in_migrations = False

    def get_queryset(self) -> models.QuerySet["ServiceAccount"]:
        """Return the service accounts."""
        return super().get_queryset().filter(is_service_account=True)


class ServiceAccount(User):
    """A user for a pipeline, which cannot log in."""

    objects: ClassVar[ServiceAccountManager] = ServiceAccountManager()

    class Meta:
        proxy = True
        verbose_name = "service account"


class TokenFamily(models.Model):
    """All refresh tokens that descend from one login, of which only the newest may be used, once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    current_jti = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "token families"
        indexes = [
            # Serves the purge of logins that have expired.
            models.Index(fields=["expires_at"], name="token_family_by_expiry"),
        ]

    def __str__(self) -> str:
        return f"login of {self.user} at {self.created_at:%Y-%m-%d %H:%M}"


class Organization(models.Model):
    """A team that owns models."""

    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)
    members = models.ManyToManyField(User, through="Membership", related_name="organizations")

    objects = OrganizationQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user's role in an organization."""

    ROLES = [(role.value, role.value.capitalize()) for role in Role]

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=ROLES)

    class Meta:
        constraints = [
            # Serves as well the look-up of a caller's role.
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once_per_user"),
            models.CheckConstraint(condition=Q(role__in=[role.value for role in Role]), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.organization}"


class RegisteredModel(models.Model):
    """A model that an organization trains, with at most one promoted version at a time.

    Its state (`draft`, `training`, `ready`, `archived`) follows from its versions: see `with_state`.
    """

    model_id = models.CharField(
        max_length=14,
        primary_key=True,
        default=ids.new_model_id,
        editable=False,
        validators=[RegexValidator(rf"^{ids.MODEL_ID_PATTERN}\Z")],
    )
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="models", db_index=False)
    name = models.CharField(max_length=200)
    # No check constraint: a task type is added by adding its module, not by a migration.
    task_type = models.CharField(max_length=40, choices=task_types.choices)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)
    # The database refuses a version of another model: see the migration `promoted_version_of_same_model`.
    promoted_version = models.ForeignKey(
        "Version", on_delete=models.PROTECT, null=True, blank=True, related_name="promoted_in"
    )
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = RegisteredModelQuerySet.as_manager()

    class Meta:
        verbose_name = "registered model"
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="model_name_once_per_organization"),
            models.CheckConstraint(condition=Q(model_id__regex=rf"^{ids.MODEL_ID_PATTERN}\Z"), name="model_id_form"),
        ]
        indexes = [
            # Serves the list of models, newest first.
            models.Index(fields=["-created_at", "-model_id"], name="model_newest"),
        ]

    def __str__(self) -> str:
        return self.name


class ModelGrant(models.Model):
    """A scope that one user holds on one model."""

    SCOPES = [(scope.value, scope.value) for scope in MODEL_SCOPES]

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="grants", db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="grants")
    scope = models.CharField(max_length=20, choices=SCOPES)

    class Meta:
        constraints = [
            # Serves as well the look-up of a caller's grant.
            models.UniqueConstraint(fields=["model", "user", "scope"], name="grant_once_per_scope"),
            models.CheckConstraint(
                condition=Q(scope__in=[scope.value for scope in MODEL_SCOPES]), name="grant_scope_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} has {self.scope} on {self.model}"


class Version(models.Model):
    """One training of a model. `completed` and `failed` are final."""

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
        help_text="Where the trained artefact or its code is.",
    )
    parameters = models.JSONField(default=dict, blank=True, help_text="What it was trained with.")
    tags = models.JSONField(default=list, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = VersionQuerySet.as_manager()

    class Meta:
        constraints = [
            # Serves as well the look-up of a version by its id.
            models.UniqueConstraint(fields=["model", "number"], name="version_number_once_per_model"),
            # What the foreign key of a promoted version refers to.
            models.UniqueConstraint(fields=["model", "id"], name="version_of_model"),
            models.CheckConstraint(condition=Q(number__gte=1), name="version_number_from_1"),
            models.CheckConstraint(
                condition=Q(state__in=["training", "completed", "failed"]), name="version_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="completed", completed_at__isnull=False)
                | (~Q(state="completed") & Q(completed_at__isnull=True)),
                name="version_completed_at_iff_completed",
            ),
        ]
        indexes = [
            # Serves the newest completed version of a model, and its derived state.
            models.Index(fields=["model", "state", "-number"], name="version_newest_in_state"),
        ]

    def __str__(self) -> str:
        return self.version_id

    @property
    def version_id(self) -> str:
        """The public id, unique within the model."""
        return ids.version_id(self.number)

    @property
    def promoted(self) -> bool:
        """Whether its model has promoted it."""
        return self.model.promoted_version_id == self.pk


class Promotion(models.Model):
    """That a version became the promoted one: the history behind `RegisteredModel.promoted_version`.

    A rollback names the earlier promotion that it restores; so does a promotion of the version promoted already.
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
    verdict = models.JSONField(null=True, blank=True, help_text="What a gate said of the version, if one judged it.")
    overridden = models.BooleanField(default=False, help_text="Whether an admin promoted it against the verdict.")

    class Meta:
        # Serves the promotion history of a model, newest first.
        indexes = [models.Index(fields=["model", "-id"], name="promotion_history")]

    def __str__(self) -> str:
        return f"{self.version} promoted at {self.promoted_at:%Y-%m-%d %H:%M}"

    @property
    def kind(self) -> str:
        """Whether someone promoted the version, or it came back by a rollback."""
        came_back = self.restores_id is not None and self.version_id != self.previous_version_id
        return "rollback" if came_back else "promotion"


class IdempotencyKey(models.Model):
    """The answer to a POST that was given a key: a repetition within 24 hours gets it again, and does nothing."""

    KEPT = timedelta(hours=24)

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    route = models.CharField(max_length=255, help_text="The path that was posted to.")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the body.")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # Serves as well the look-up of an answer.
            models.UniqueConstraint(fields=["user", "route", "key"], name="idempotency_key_once"),
        ]
        indexes = [
            # Serves the purge of old keys.
            models.Index(fields=["created_at"], name="idempotency_key_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class TrustedIssuer(models.Model):
    """Who signs identity tokens that may be exchanged for ours, such as a CI system."""

    issuer = models.CharField(
        max_length=MAX_TEXT,
        unique=True,
        validators=[validate_provider_url],
        help_text="What its tokens have as <code>iss</code>, such as https://token.actions.githubusercontent.com",
    )
    jwks_url = models.CharField(
        "JWKS URL",
        max_length=MAX_TEXT,
        validators=[validate_provider_url],
        help_text="Where its keys are: <code>jwks_uri</code> in its /.well-known/openid-configuration",
    )
    audience = models.CharField(
        max_length=MAX_TEXT,
        help_text="What its tokens must have as <code>aud</code>: this service's URL, as pipelines ask for it.",
    )
    is_active = models.BooleanField("active", default=True)

    class Meta:
        verbose_name = "trusted issuer"

    def __str__(self) -> str:
        return self.issuer


class TrustRule(models.Model):
    """Which of an issuer's tokens stand for a service account, and the most that they may do."""

    issuer = models.ForeignKey(TrustedIssuer, on_delete=models.CASCADE, related_name="rules", db_index=False)
    name = models.CharField(max_length=200)
    service_account = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="trust_rules", limit_choices_to={"is_service_account": True}
    )
    claims = models.JSONField(
        validators=[validate_patterns],
        help_text=(
            'What a token must claim, such as {"repository": "acme/churn", "ref": "refs/heads/*"}: '
            "<code>*</code> stands for any characters."
        ),
    )
    scopes = models.JSONField(validators=[validate_scopes])
    is_active = models.BooleanField("active", default=True)

    class Meta:
        verbose_name = "trust rule"
        # Serves the look-up of an issuer's rules, in the order in which they are tried.
        indexes = [models.Index(fields=["issuer", "id"], name="trust_rules_of_issuer")]

    def __str__(self) -> str:
        return self.name
