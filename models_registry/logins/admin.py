"""Second factors and people at the OpenID provider, in the admin of superusers, who could set passwords too."""

import allauth.account.admin  # the library's own pages, which are replaced below
import allauth.mfa.admin
import allauth.socialaccount.admin  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.conf import settings
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from models_registry.accounts.models import User
from models_registry.api.model_admin import RegistryAdmin
from models_registry.logins.forms import IdentityForm
from models_registry.logins.services import remove_second_factors

admin.site.unregister([EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken])


class SuperuserAdmin(RegistryAdmin):
    """Records that only superusers see, and that nobody changes."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the caller is a superuser."""
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the caller is a superuser."""
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the caller is a superuser."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deny changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the caller is a superuser."""
        return bool(request.user.is_superuser)


@admin.register(Authenticator)
class AuthenticatorAdmin(SuperuserAdmin):
    """Authenticator apps and recovery codes. Deleting them lets a person in who has lost both."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    date_hierarchy = "created_at"
    ordering = ("-created_at", "pk")
    fields = ("user", "type", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deny additions: people set up their own."""
        return False

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        """Delete all second factors of the person."""
        remove_second_factors(users=[obj.user])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Authenticator]) -> None:
        """Delete all second factors of these people."""
        remove_second_factors(users=[*User.objects.filter(pk__in=queryset.values("user"))])


@admin.register(SocialAccount)
class IdentityAdmin(SuperuserAdmin):
    """People at the OpenID provider. Adding one lets an existing user log in there."""

    list_display = ("user", "provider", "uid", "date_joined", "last_login")
    list_select_related = ("user",)
    search_fields = ("user__username", "uid")
    date_hierarchy = "date_joined"
    ordering = ("-date_joined", "pk")
    autocomplete_fields = ("user",)
    form = IdentityForm

    def get_fields(self, request: HttpRequest, obj: SocialAccount | None = None) -> tuple[str, ...]:
        """Return the fields of a new record, or those of an existing one."""
        return ("user", "uid") if obj is None else ("user", "provider", "uid", "date_joined", "last_login")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the caller is a superuser and there is a provider."""
        return super().has_add_permission(request, obj) and settings.OIDC_LOGIN is not None
