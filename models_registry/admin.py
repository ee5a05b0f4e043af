"""The registry in the admin: for browsing, and for setting up organizations, users, grants and trust in pipelines."""

from typing import Any

from axes.admin import AccessAttemptAdmin, IsLockedOutFilter
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from models_registry import admin_audit as admin_audit  # registers its page
from models_registry.admin_base import (
    MODEL_STATES,
    VERSION_STATES,
    PromotedFilter,
    ReadOnly,
    RegistryAdmin,
    RevokedFilter,
    Rows,
    StateFilter,
    badge,
    link_to,
    promoted_badge,
    task_type_label,
    unbroken,
)
from models_registry.forms import ServiceAccountForm, TrustRuleForm
from models_registry.lockout import lift_lockouts
from models_registry.models import (
    Membership,
    ModelGrant,
    Organization,
    Promotion,
    RegisteredModel,
    ServiceAccount,
    TokenFamily,
    TrustedIssuer,
    TrustRule,
    User,
    Version,
)
from models_registry.services import revoke_families


class MembershipInline(Rows):
    """The members of an organization and their roles, a page at a time: each row asks for its user's name."""

    model = Membership
    verbose_name_plural = "members"
    autocomplete_fields = ("user",)
    extra = 0
    per_page = 20

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Return the members in order of name, with their users."""
        members: QuerySet[Membership] = super().get_queryset(request)
        return members.select_related("user", "organization").order_by("user__username")


@admin.register(Organization)
class OrganizationAdmin(RegistryAdmin):
    """Organizations and their members."""

    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug")
    date_hierarchy = "created_at"
    ordering = ("name", "pk")
    fields = ("name", "slug", "created_at")
    readonly_fields = ("created_at",)
    inlines = (MembershipInline,)


class VersionInline(ReadOnly, Rows):
    """The versions of a model, newest first, a page at a time."""

    model = Version
    fk_name = "model"
    fields = readonly_fields = ("version", "promoted", "state_badge", "created_at", "completed_at")
    ordering = ("-number",)
    per_page = 20

    def get_queryset(self, request: HttpRequest) -> QuerySet[Version]:
        """Return the versions with their models, which say which one is promoted."""
        versions: QuerySet[Version] = super().get_queryset(request)
        return versions.select_related("model")

    @admin.display(description="version")
    def version(self, version: Version) -> str:
        """Return a link to the version."""
        return link_to(version)

    @admin.display(description="promotion")
    def promoted(self, version: Version) -> str:
        """Mark the promoted version."""
        return promoted_badge(version)

    @admin.display(description="state")
    def state_badge(self, version: Version) -> str:
        """Return the state in its colour."""
        return badge(version.state, VERSION_STATES[version.state])


@admin.register(RegisteredModel)
class RegisteredModelAdmin(RegistryAdmin):
    """Registered models and their versions. What is promoted is shown, and set by promoting a version."""

    list_display = ("name", "model_id", "organization", "task", "state", "promoted", "created_at")
    list_filter = (
        ("organization", AutocompleteSelectFilter),
        ("task_type", ChoicesDropdownFilter),
        StateFilter,
    )
    search_fields = ("name", "model_id", "description")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "pk")
    autocomplete_fields = ("organization",)
    fields = ("name", "organization", "task_type", "description")
    fieldsets_of_existing = (
        (None, {"fields": ("model_id", "name", "organization", "task", "description", "tags")}),
        ("Where it stands", {"fields": ("state", "promoted_version", "created_by", "created_at", "archived_at")}),
    )
    readonly_fields = (
        "model_id",
        "task",
        "tags",
        "state",
        "promoted_version",
        "created_by",
        "created_at",
        "archived_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[RegisteredModel]:
        """Return the models with their state, organization and promoted version."""
        models: Any = super().get_queryset(request)
        queryset: QuerySet[RegisteredModel] = models.with_state().select_related(
            "organization", "promoted_version", "created_by"
        )
        return queryset

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Ask for the task type of a new model; show all there is of an existing one."""
        return self.fieldsets_of_existing if obj else super().get_fieldsets(request, obj)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Have the task type chosen, for it stays: none is chosen beforehand."""
        choices = db_field.get_choices(blank_choice=[("", "Select a task type")])
        return super().formfield_for_choice_field(db_field, request, choices=choices, **kwargs)

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> list[Any]:
        """List the versions of an existing model."""
        return [VersionInline] if obj else []

    @admin.display(description="task type", ordering="task_type")
    def task(self, model: RegisteredModel) -> str:
        """Return the task type's label."""
        return task_type_label(model.task_type)

    @admin.display(ordering="state")
    def state(self, model: Any) -> str:
        """Return the derived state in its colour."""
        return badge(model.state, MODEL_STATES[model.state])

    @admin.display(description="promoted", ordering="promoted_version__number")
    def promoted(self, model: RegisteredModel) -> str:
        """Return the id of the promoted version, marked so."""
        return badge(str(model.promoted_version), "primary") if model.promoted_version else ""


@admin.register(ModelGrant)
class ModelGrantAdmin(RegistryAdmin):
    """Scopes that users hold on single models."""

    list_display = ("user", "scope", "model", "organization")
    list_filter = ("scope", ("model__organization", AutocompleteSelectFilter))
    list_select_related = ("user", "model__organization")
    search_fields = ("user__username", "model__name", "model__model_id")
    ordering = ("user__username", "pk")
    autocomplete_fields = ("user", "model")

    @admin.display(ordering="model__organization__name")
    def organization(self, grant: ModelGrant) -> str:
        """Return the organization that owns the model."""
        return str(grant.model.organization)


@admin.register(Version)
class VersionAdmin(ReadOnly, RegistryAdmin):
    """Versions of models, newest first."""

    version_number = "number"
    list_display = ("version_id", "model", "organization", "promoted", "state_badge", "created_at", "completed_at")
    list_filter = (
        ("model__organization", AutocompleteSelectFilter),
        ("model__task_type", ChoicesDropdownFilter),
        ("state", ChoicesDropdownFilter),
        PromotedFilter,
    )
    search_fields = ("model__name", "model__model_id")
    search_help_text = "By version id, and by name or id of the model"
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    fields = (
        ("version_id", "state_badge"),
        ("model", "promoted"),
        ("organization", "created_at"),
        ("task", "completed_at"),
        ("source_uri", "created_by"),
        "description",
        ("parameters", "tags"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Version]:
        """Return the versions with their models and organizations."""
        versions: QuerySet[Version] = super().get_queryset(request)
        return versions.select_related("model__organization", "created_by")

    @admin.display(description="version", ordering="number")
    def version_id(self, version: Version) -> str:
        """Return the public id."""
        return unbroken(version.version_id)

    @admin.display(ordering="model__organization__name")
    def organization(self, version: Version) -> str:
        """Return the organization that owns the model."""
        return str(version.model.organization)

    @admin.display(description="task type")
    def task(self, version: Version) -> str:
        """Return the task type's label."""
        return task_type_label(version.model.task_type)

    @admin.display(description="promotion")
    def promoted(self, version: Version) -> str:
        """Mark the promoted version."""
        return promoted_badge(version)

    @admin.display(description="state", ordering="state")
    def state_badge(self, version: Version) -> str:
        """Return the state in its colour."""
        return badge(version.state, VERSION_STATES[version.state])


@admin.register(Promotion)
class PromotionAdmin(ReadOnly, RegistryAdmin):
    """The history of promotions, newest first."""

    version_number = "version__number"
    list_display = ("version", "model", "organization", "previous_version", "promoted_by", "promoted_at", "reason")
    list_filter = (("model__organization", AutocompleteSelectFilter), ("model__task_type", ChoicesDropdownFilter))
    search_fields = ("model__name", "model__model_id", "promoted_by__username", "reason")
    search_help_text = "By version id, model, user or reason"
    date_hierarchy = "promoted_at"
    ordering = ("-promoted_at", "-pk")
    fields = (
        ("model", "organization"),
        ("version", "previous_version"),
        ("promoted_by", "promoted_at"),
        ("kind", "overridden"),
        "reason",
        "verdict",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Promotion]:
        """Return the promotions with all that they name."""
        promotions: QuerySet[Promotion] = super().get_queryset(request)
        return promotions.select_related("model__organization", "version", "previous_version", "promoted_by")

    @admin.display(ordering="model__organization__name")
    def organization(self, promotion: Promotion) -> str:
        """Return the organization that owns the model."""
        return str(promotion.model.organization)


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnly, RegistryAdmin):
    """Logins by token, which may be revoked."""

    list_display = ("user", "created_at", "expires_at", "revoked_at")
    list_filter = (RevokedFilter,)
    search_fields = ("user__username",)
    date_hierarchy = "created_at"
    ordering = ("-created_at", "pk")
    fields = ("user", "created_at", "expires_at", "revoked_at")
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TokenFamily]:
        """Return the logins with their users."""
        families: QuerySet[TokenFamily] = super().get_queryset(request)
        return families.select_related("user")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Say whether the caller may end logins: who may change them may."""
        return request.user.has_perm("models_registry.change_tokenfamily")

    @admin.action(description="Revoke selected logins", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[TokenFamily]) -> None:
        """End the chosen logins: their tokens are refused from now on."""
        count = revoke_families(queryset)
        self.message_user(request, f"Logins revoked: {count}.")


class NoEscalation:
    """Mixed into the pages of users: staff who are no superusers can neither give themselves rights nor borrow them.

    Only a superuser hands out rights. Nobody changes, deletes or sets the password of a user who has rights in the
    admin that they lack: whoever sets a password can log in with it.
    """

    reserved_fields: tuple[str, ...] = ("is_staff", "is_superuser", "groups", "user_permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Return the fields that the caller may not set."""
        fields: Any = super().get_readonly_fields(request, obj)  # type: ignore[misc]
        return fields if request.user.is_superuser else (*fields, *self.reserved_fields)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say whether the caller may change users, or this one."""
        return super().has_change_permission(request, obj) and _has_rights_of(request.user, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say whether the caller may delete users, or this one."""
        return super().has_delete_permission(request, obj) and _has_rights_of(request.user, obj)  # type: ignore[misc]


def _has_rights_of(caller: Any, user: User | None) -> bool:
    """Say whether the caller has all the rights that a user has, or will have once active again."""
    if user is None or caller.is_superuser:
        return True
    return not user.is_superuser and caller.get_all_permissions() >= _granted(user)


def _granted(user: User) -> set[str]:
    """Return the permissions of a user, active or not."""
    permissions = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    return {f"{app}.{name}" for app, name in permissions.values_list("content_type__app_label", "codename")}


@admin.register(User)
class UserAdmin(NoEscalation, DjangoUserAdmin, RegistryAdmin):  # type: ignore[misc,type-arg]
    """Users, as Django has them."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    list_filter = (
        "is_active",
        "is_service_account",
        "is_staff",
        "is_superuser",
        ("memberships__organization", AutocompleteSelectFilter),
    )
    fieldsets = (*(DjangoUserAdmin.fieldsets or ()), ("Pipelines", {"fields": ("is_service_account",)}))
    date_hierarchy = "date_joined"
    ordering = ("username",)
    readonly_fields = ("last_login", "date_joined")
    autocomplete_fields = ("groups",)
    filter_horizontal = ("user_permissions",)  # as many as there are kinds of records, and never more

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Return the groups of fields; the form alone masks the hash of a password, so it is left out without one."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {**group, "fields": [name for name in group["fields"] if name != "password"]})
            for title, group in fieldsets
        ]


@admin.register(ServiceAccount)
class ServiceAccountAdmin(NoEscalation, RegistryAdmin):
    """Users for pipelines, which cannot log in."""

    form = ServiceAccountForm
    reserved_fields = ()  # it has none of them
    list_display = ("username", "is_active", "date_joined")
    list_filter = ("is_active", ("memberships__organization", AutocompleteSelectFilter))
    search_fields = ("username",)
    date_hierarchy = "date_joined"
    ordering = ("username",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Ask for the name of a new account alone; an existing one can be deactivated."""
        return ("username", "is_active") if obj else ("username",)


@admin.register(TrustedIssuer)
class TrustedIssuerAdmin(RegistryAdmin):
    """Who makes identity tokens that pipelines may exchange for ours."""

    list_display = ("issuer", "audience", "is_active")
    list_filter = ("is_active",)
    search_fields = ("issuer", "audience")
    ordering = ("issuer",)


@admin.register(TrustRule)
class TrustRuleAdmin(RegistryAdmin):
    """Which identity tokens stand for which service account, in the order in which they are tried."""

    form = TrustRuleForm
    list_display = ("name", "issuer", "service_account", "granted", "is_active")
    list_filter = (("issuer", AutocompleteSelectFilter), "is_active")
    list_select_related = ("issuer", "service_account")
    search_fields = ("name", "issuer__issuer", "service_account__username")
    ordering = ("issuer__issuer", "pk")
    autocomplete_fields = ("issuer", "service_account")

    @admin.display(description="scopes")
    def granted(self, rule: TrustRule) -> str:
        """Return the scopes as tokens have them."""
        return " ".join(rule.scopes)


# Django's and the lockout's own pages, in the same look. The lockout keeps no logs here, so their pages go.
admin.site.unregister([Group, AccessAttempt, AccessLog, AccessFailureLog])


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, RegistryAdmin):  # type: ignore[misc]
    """Groups of users with the same permissions, which only superusers choose."""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Return the fields that the caller may not set."""
        return () if request.user.is_superuser else ("permissions",)


@admin.register(AccessAttempt)
class LockoutAdmin(AccessAttemptAdmin, RegistryAdmin):  # type: ignore[misc]
    """Failed logins. To delete one ends its lockout."""

    list_display = ("username", "ip_address", "path_info", "failures_since_start", "status", "attempt_time")
    list_filter = (IsLockedOutFilter,)
    ordering = ("-attempt_time", "pk")
    actions = ()

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is changed here."""
        return False

    def delete_model(self, request: HttpRequest, obj: AccessAttempt) -> None:
        """Lift a lockout, and leave a row of it."""
        lift_lockouts(AccessAttempt.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> None:
        """Lift lockouts, and leave a row of each."""
        lift_lockouts(queryset)
