"""Logins, service accounts and trusted issuers in the admin."""

from datetime import timedelta

from axes.admin import AccessAttemptAdmin, IsLockedOutFilter
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from models_registry.accounts.admin import PreventEscalationMixin
from models_registry.accounts.model_admin import ScopedAdmin, logged_in_user
from models_registry.accounts.models import ServiceAccount, User
from models_registry.accounts.scopes import Scope
from models_registry.api.model_admin import ListFilterItem, ReadOnlyAdminMixin, RegistryAdmin, RevokedFilter
from models_registry.tokens.forms import NamedTokenForm, PersonalTokenForm, ServiceAccountForm, TrustRuleForm
from models_registry.tokens.lockout import lift_lockouts
from models_registry.tokens.models import NamedToken, PersonalToken, TokenFamily, TrustedIssuer, TrustRule
from models_registry.tokens.services import (
    create_named_token,
    create_service_account,
    revoke_families,
    revoke_named_token,
    update_service_account,
)


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
class ServiceAccountAdmin(PreventEscalationMixin, ScopedAdmin):
    """Users for pipelines. They cannot log in. An organization's admins make and deactivate its own."""

    scopes = dict.fromkeys(("view", "add", "change"), Scope.ORGANIZATION_ADMIN)
    owner_lookups = ("owner",)
    form = ServiceAccountForm
    superuser_fields = ()  # the form has none of them
    list_display = ("username", "owner", "is_active", "date_joined")
    list_select_related = ("owner",)
    autocomplete_fields = ("owner",)
    list_filter = (
        "is_active",
        ("owner", AutocompleteSelectFilter),
        ("memberships__organization", AutocompleteSelectFilter),
    )
    search_fields = ("username",)
    date_hierarchy = "date_joined"
    ordering = ("username",)

    def get_fields(self, request: HttpRequest, obj: ServiceAccount | None = None) -> tuple[str, ...]:
        """Return the fields of a new account, or with the active flag those of an existing one."""
        return ("username", "owner", "is_active") if obj else ("username", "owner")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Keep the owner of an account: another organization's admins would get its tokens.

        Its name, which begins with the owner's slug, stays as over HTTP, unless staff change it.
        """
        if obj is None or obj.owner_id is None:
            return ()
        return ("owner",) if self.has_django_permission(request, "change") else ("owner", "username")

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **options: object
    ) -> type[ServiceAccountForm]:
        """Return the form. Only staff add accounts that no organization owns."""
        form: type[ServiceAccountForm] = super().get_form(request, obj, change, **options)
        if obj is None:
            form.base_fields["owner"].required = not self.has_django_permission(request, "add")
        return form

    def save_model(
        self, request: HttpRequest, obj: ServiceAccount, form: "ModelForm[ServiceAccount]", change: bool
    ) -> None:
        """Store the account as the API does."""
        if not change:
            stored = create_service_account(**form.cleaned_data)
            obj.__dict__.update(stored.__dict__)
            return
        super().save_model(request, obj, form, change)
        if "is_active" in form.changed_data:
            update_service_account(account=obj, is_active=obj.is_active)


class TokenAdminBase(ReadOnlyAdminMixin, RegistryAdmin):
    """Makes, lists and revokes tokens. A token itself is shown once."""

    list_display: tuple[str, ...] = (
        "name",
        "user",
        "scope_list",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    list_filter: tuple[ListFilterItem, ...] = (RevokedFilter,)
    search_fields: tuple[str, ...] = ("name",)
    date_hierarchy = "created_at"
    ordering = ("-created_at", "pk")
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: NamedToken | None = None) -> tuple[str | tuple[str, ...], ...]:
        """Return the fields of the form, or those of an existing token."""
        if obj is None:
            return ("user", "name", "scopes", "lifetime_days")
        times = ("created_at", "expires_at"), ("last_used_at", "revoked_at")
        return ("user", "name", "scope_list", "created_by", *times)

    def save_model(self, request: HttpRequest, obj: NamedToken, form: "ModelForm[NamedToken]", change: bool) -> None:
        """Make the token and show it."""
        caller = logged_in_user(request)
        obj.user = form.cleaned_data.get("user", caller)
        named, access = create_named_token(
            user=obj.user,
            name=form.cleaned_data["name"],
            scopes=[Scope(name) for name in form.cleaned_data["scopes"]],
            lifetime=timedelta(days=form.cleaned_data["lifetime_days"]),
            created_by=caller,
        )
        obj.pk = named.pk
        self.message_user(request, f"The token, which is not shown again: {access}")

    @admin.display(description="scopes")
    def scope_list(self, token: NamedToken) -> str:
        """Return the scopes, separated by spaces."""
        return " ".join(token.scopes)

    def revocable(self, request: HttpRequest, tokens: QuerySet[NamedToken]) -> QuerySet[NamedToken]:
        """Keep the tokens that the caller may revoke, of those that they see."""
        return tokens

    @admin.action(description="Revoke selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[NamedToken]) -> None:
        """Revoke the selected tokens. They are refused at once."""
        tokens = self.revocable(request, queryset).filter(revoked_at=None)
        for token in tokens:
            revoke_named_token(token=token)
        self.message_user(request, f"Tokens revoked: {len(tokens)}.")


@admin.register(NamedToken)
class NamedTokenAdmin(TokenAdminBase, ScopedAdmin):
    """Tokens of service accounts and people. Those of service accounts are made here, by their owner's admins too."""

    scopes = dict.fromkeys(("view", "add", "change"), Scope.ORGANIZATION_ADMIN)
    owner_lookups = ("user__owner",)
    form = NamedTokenForm
    list_filter = (("user__owner", AutocompleteSelectFilter), RevokedFilter)
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    autocomplete_fields = ("user",)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the caller may make tokens for service accounts."""
        return self.has_django_permission(request, "add") or self.has_scope(request, "add", obj)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Return whether the caller may revoke tokens: whoever may change them may."""
        return self.has_django_permission(request, "change") or self.has_scope(request, "change")

    def revocable(self, request: HttpRequest, tokens: QuerySet[NamedToken]) -> QuerySet[NamedToken]:
        """Keep the tokens that the caller may change."""
        return self.changeable(request, tokens)

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **options: object
    ) -> type[NamedTokenForm]:
        """Return the form, which checks for whom the caller may make tokens."""
        form: type[NamedTokenForm] = super().get_form(request, obj, change, **options)
        form.caller = logged_in_user(request)
        return form


@admin.register(PersonalToken)
class PersonalTokenAdmin(TokenAdminBase):
    """The caller's own tokens, for everybody who may use the admin."""

    form = PersonalTokenForm
    list_display = tuple(name for name in TokenAdminBase.list_display if name != "user")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PersonalToken]:
        """Return the caller's tokens."""
        tokens: QuerySet[PersonalToken] = super().get_queryset(request)
        return tokens.filter(user=request.user.pk)

    def get_fields(self, request: HttpRequest, obj: NamedToken | None = None) -> tuple[str | tuple[str, ...], ...]:
        """Return the fields, without the user."""
        return tuple(name for name in super().get_fields(request, obj) if name not in {"user", "created_by"})

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Let everybody manage their own tokens."""
        return True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let everybody see their own tokens."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let everybody make tokens for themselves."""
        return True

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Let everybody revoke their own tokens."""
        return True


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
