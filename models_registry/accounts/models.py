"""Users, organizations, members and grants."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.functional import cached_property

from models_registry.accounts.querysets import OrganizationQuerySet
from models_registry.accounts.scopes import MODEL_SCOPES, Role


class User(AbstractUser):
    """A person who can log in, or a service account, which only works with tokens."""

    is_service_account = models.BooleanField(
        "service account",
        default=False,
        db_default=False,
        help_text="An account for a pipeline. It cannot log in, and works with tokens that others make for it.",
    )
    owner = models.ForeignKey(
        "models_registry.Organization",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="service_accounts",
        help_text="The organization whose admins manage this service account and its tokens.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(is_service_account=True) | Q(owner=None),
                name="only_service_account_owned",
                violation_error_message="Only a service account has an owner.",
            ),
            models.CheckConstraint(
                condition=Q(is_service_account=False) | Q(is_staff=False, is_superuser=False),
                name="service_account_not_staff",
                violation_error_message="A service account can be neither staff nor superuser.",
            ),
        ]

    @cached_property
    def authenticator_app_id(self) -> int | None:
        """The id of the user's authenticator app, or `None`."""
        return self._authenticator_id("totp")

    @cached_property
    def recovery_codes_id(self) -> int | None:
        """The id of the user's recovery codes, or `None`."""
        return self._authenticator_id("recovery_codes")

    @property
    def has_second_factor(self) -> bool:
        """Whether the user has an authenticator app. Recovery codes alone do not count."""
        return self.authenticator_app_id is not None

    def clean(self) -> None:
        """Raise `ValidationError` for a person with an owner. Forms without both fields do not check constraints."""
        super().clean()
        if self.owner_id is not None and not self.is_service_account:
            raise ValidationError("This account belongs to an organization, and stays a service account.")

    def _authenticator_id(self, kind: str) -> int | None:
        found = self.authenticator_set.filter(type=kind)  # type: ignore[attr-defined]  # allauth is untyped
        pk: int | None = found.values_list("pk", flat=True).first()
        return pk


class ServiceAccountManager(UserManager["ServiceAccount"]):
    """Selects the users that are service accounts."""

    use_in_migrations = False

    def get_queryset(self) -> models.QuerySet["ServiceAccount"]:
        """Return the service accounts."""
        return super().get_queryset().filter(is_service_account=True)

    def with_role(self) -> models.QuerySet["ServiceAccount"]:
        """Annotate as `role` the account's role in the organization that owns it, or `None`."""
        roles = Membership.objects.filter(user=OuterRef("pk"), organization=OuterRef("owner")).values("role")
        return self.get_queryset().annotate(role=Subquery(roles))


class ServiceAccount(User):
    """A user for a pipeline. It cannot log in."""

    objects: ClassVar[ServiceAccountManager] = ServiceAccountManager()

    class Meta:
        proxy = True
        verbose_name = "service account"


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
            # Also serves the lookup of a caller's role.
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once_per_user"),
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role]),
                name="membership_role_known",
                violation_error_message="There is no such role.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.organization}"


class ModelGrant(models.Model):
    """A scope on one model, granted to one user."""

    SCOPES = [(scope.value, scope.value) for scope in MODEL_SCOPES]

    model = models.ForeignKey(
        "models_registry.RegisteredModel", on_delete=models.CASCADE, related_name="grants", db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="grants")
    scope = models.CharField(max_length=20, choices=SCOPES)

    class Meta:
        constraints = [
            # Also serves the lookup of a caller's grant.
            models.UniqueConstraint(fields=["model", "user", "scope"], name="grant_once_per_scope"),
            models.CheckConstraint(
                condition=Q(scope__in=[scope.value for scope in MODEL_SCOPES]),
                name="grant_scope_known",
                violation_error_message="There is no such scope on a model.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} has {self.scope} on {self.model}"
