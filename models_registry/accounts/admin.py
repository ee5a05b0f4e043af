"""Users, groups, organizations and lockouts in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from models_registry.accounts.models import Membership, ModelGrant, Organization, User
from models_registry.api.model_admin import (
    RegistryAdmin,
    Rows,
)


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


admin.site.unregister(Group)  # Django's page, which has another look


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, RegistryAdmin):  # type: ignore[misc]
    """Groups of users with the same permissions, which only superusers choose."""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Return the fields that the caller may not set."""
        return () if request.user.is_superuser else ("permissions",)
