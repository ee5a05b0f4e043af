"""Logins, service accounts and trusted issuers in the admin."""

from typing import Any

from axes.admin import AccessAttemptAdmin, IsLockedOutFilter
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from models_registry.accounts.admin import NoEscalation
from models_registry.accounts.models import ServiceAccount
from models_registry.api.model_admin import (
    ReadOnly,
    RegistryAdmin,
    RevokedFilter,
)
from models_registry.tokens.forms import ServiceAccountForm, TrustRuleForm
from models_registry.tokens.lockout import lift_lockouts
from models_registry.tokens.models import TokenFamily, TrustedIssuer, TrustRule
from models_registry.tokens.services import revoke_families


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


# The library's pages: of lockouts there is one in another look, and logs are not kept.
admin.site.unregister([AccessAttempt, AccessLog, AccessFailureLog])


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
