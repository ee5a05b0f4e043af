"""Logins, service accounts and trusted issuers in the admin."""

from axes.admin import AccessAttemptAdmin, IsLockedOutFilter
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from models_registry.accounts.admin import PreventEscalationMixin
from models_registry.accounts.models import ServiceAccount
from models_registry.api.model_admin import ReadOnlyAdminMixin, RegistryAdmin, RevokedFilter
from models_registry.tokens.forms import ServiceAccountForm, TrustRuleForm
from models_registry.tokens.lockout import lift_lockouts
from models_registry.tokens.models import TokenFamily, TrustedIssuer, TrustRule
from models_registry.tokens.services import revoke_families


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnlyAdminMixin, RegistryAdmin):
    """Logins by token, with an action that revokes them."""

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
        """Return whether the caller may revoke logins. It needs the permission to change them."""
        return request.user.has_perm("models_registry.change_tokenfamily")

    @admin.action(description="Revoke selected logins", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[TokenFamily]) -> None:
        """Revoke the selected logins. Their tokens are refused at once."""
        count = revoke_families(queryset)
        self.message_user(request, f"Logins revoked: {count}.")


@admin.register(ServiceAccount)
class ServiceAccountAdmin(PreventEscalationMixin, RegistryAdmin):
    """Users for pipelines. They cannot log in."""

    form = ServiceAccountForm
    superuser_fields = ()  # the form has none of them
    list_display = ("username", "is_active", "date_joined")
    list_filter = ("is_active", ("memberships__organization", AutocompleteSelectFilter))
    search_fields = ("username",)
    date_hierarchy = "date_joined"
    ordering = ("username",)

    def get_fields(self, request: HttpRequest, obj: ServiceAccount | None = None) -> tuple[str, ...]:
        """Return the name of a new account, or the name and the active flag of an existing one."""
        return ("username", "is_active") if obj else ("username",)


@admin.register(TrustedIssuer)
class TrustedIssuerAdmin(RegistryAdmin):
    """Issuers whose identity tokens pipelines can exchange for access tokens."""

    list_display = ("issuer", "audience", "is_active")
    list_filter = ("is_active",)
    search_fields = ("issuer", "audience")
    ordering = ("issuer",)


@admin.register(TrustRule)
class TrustRuleAdmin(RegistryAdmin):
    """Rules that map identity tokens to service accounts, in the order in which they are tried."""

    form = TrustRuleForm
    list_display = ("name", "issuer", "service_account", "scope_list", "is_active")
    list_filter = (("issuer", AutocompleteSelectFilter), "is_active")
    list_select_related = ("issuer", "service_account")
    search_fields = ("name", "issuer__issuer", "service_account__username")
    ordering = ("issuer__issuer", "pk")
    autocomplete_fields = ("issuer", "service_account")

    @admin.display(description="scopes")
    def scope_list(self, rule: TrustRule) -> str:
        """Return the scopes, separated by spaces as in a token."""
        return " ".join(rule.scopes)


# The library's own pages: the page of lockouts below replaces one, and the service keeps no access logs.
admin.site.unregister([AccessAttempt, AccessLog, AccessFailureLog])


@admin.register(AccessAttempt)
class LockoutAdmin(AccessAttemptAdmin, RegistryAdmin):  # type: ignore[misc]
    """Failed logins. Deleting one lifts its lockout."""

    list_display = ("username", "ip_address", "path_info", "failures_since_start", "status", "attempt_time")
    list_filter = (IsLockedOutFilter,)
    ordering = ("-attempt_time", "pk")
    actions = ()

    def has_change_permission(self, request: HttpRequest, obj: AccessAttempt | None = None) -> bool:
        """Deny changes."""
        return False

    def delete_model(self, request: HttpRequest, obj: AccessAttempt) -> None:
        """Lift a lockout and record it in the audit trail."""
        lift_lockouts(AccessAttempt.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> None:
        """Lift lockouts and record each in the audit trail."""
        lift_lockouts(queryset)
