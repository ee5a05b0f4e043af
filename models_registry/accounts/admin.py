"""Users, groups, organizations and lockouts in the admin."""

from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db.models import Q, QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from models_registry.accounts.forms import MembershipForm, OrganizationForm
from models_registry.accounts.locks import lock_organization
from models_registry.accounts.model_admin import ADMINISTER, ScopedAdmin, ScopedInline
from models_registry.accounts.models import Membership, Organization, User
from models_registry.accounts.scopes import Role, Scope
from models_registry.accounts.services import add_member, change_role, remove_member
from models_registry.api.model_admin import RegistryAdmin

if TYPE_CHECKING:
    _UserAdminBase = BaseModelAdmin[Any]
    Memberships: TypeAlias = BaseInlineFormSet[Membership, Organization, ModelForm[Membership]]
else:
    _UserAdminBase = object


class MembershipInline(ScopedInline):
    """The members of an organization and their roles, in pages, because each row queries its user's name."""

    model = Membership
    scopes = ADMINISTER
    verbose_name_plural = "members"
    autocomplete_fields = ("user",)
    extra = 0
    per_page = 20
    form = MembershipForm

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Return the members in order of user name, with their users."""
        members: QuerySet[Membership] = super().get_queryset(request)
        return members.select_related("user", "organization").order_by("user__username")


@admin.register(Organization)
class OrganizationAdmin(ScopedAdmin):
    """Organizations and their members, for their admins. Only staff create one."""

    scopes = dict.fromkeys(("view", "change"), Scope.ORGANIZATION_ADMIN)
    owner_lookups = ("pk",)
    form = OrganizationForm

    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug")
    date_hierarchy = "created_at"
    ordering = ("name", "pk")
    fields = ("name", "slug", "created_at")
    readonly_fields = ("created_at",)
    inlines = (MembershipInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Organization | None = None) -> tuple[str, ...]:
        """Return the fields that the caller cannot set. The slug stays, as over HTTP, unless staff change it."""
        fields: tuple[str, ...] = tuple(super().get_readonly_fields(request, obj))
        return fields if obj is None or self.has_django_permission(request, "change") else (*fields, "slug")

    def save_formset(
        self, request: HttpRequest, form: "ModelForm[Organization]", formset: "Memberships", change: bool
    ) -> None:
        """Store the members as the API does. Additions come first, so that the last admin can be replaced."""
        lock_organization(form.instance.pk)
        formset.save(commit=False)
        for new in formset.new_objects:
            add_member(organization=form.instance, user=new.user, role=new.role)
        changed = [membership for membership, _ in formset.changed_objects]
        for membership in sorted(changed, key=lambda each: each.role != Role.ADMIN):
            change_role(membership=membership, role=membership.role)
        for membership in formset.deleted_objects:
            remove_member(membership=membership)


class PreventEscalationMixin(_UserAdminBase):
    """Prevents staff from gaining rights through the pages of users.

    Only a superuser can give rights to users. Other staff cannot change or delete a user who has permissions that they
    lack, and cannot set that user's password: whoever sets a password can log in with it.
    """

    superuser_fields: tuple[str, ...] = ("is_staff", "is_superuser", "groups", "user_permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str] | tuple[str, ...]:
        """Return the fields that the caller cannot set."""
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, *self.superuser_fields)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return whether the caller may change users, or this user."""
        return super().has_change_permission(request, obj) and _has_rights_of(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return whether the caller may delete users, or this user."""
        return super().has_delete_permission(request, obj) and _has_rights_of(request.user, obj)


def _has_rights_of(caller: User | AnonymousUser, user: User | None) -> bool:
    """Return whether the caller has every permission that a user has, or would have if active."""
    if user is None or caller.is_superuser:
        return True
    return not user.is_superuser and caller.get_all_permissions() >= _all_permissions(user)


def _all_permissions(user: User) -> set[str]:
    """Return the permissions of a user, even if the user is inactive."""
    permissions = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    return {f"{app}.{name}" for app, name in permissions.values_list("content_type__app_label", "codename")}


@admin.register(User)
class UserAdmin(PreventEscalationMixin, DjangoUserAdmin, RegistryAdmin):  # type: ignore[misc,type-arg]
    """Django's page of users, in the look of the other pages."""

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
    filter_horizontal = ("user_permissions",)  # there are few permissions: their number depends on the models alone

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Return the fieldsets, without the password on read-only pages: only the form hides its hash."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {**group, "fields": [name for name in group["fields"] if name != "password"]})
            for title, group in fieldsets
        ]


admin.site.unregister(Group)  # Django's own page, which looks different


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, RegistryAdmin):  # type: ignore[misc]
    """Groups of users with the same permissions. Only superusers choose these."""

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> tuple[str, ...]:
        """Return the fields that the caller cannot set."""
        return () if request.user.is_superuser else ("permissions",)
