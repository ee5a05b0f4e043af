"""Grants in the admin."""

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from models_registry.accounts.model_admin import ScopedAdmin
from models_registry.accounts.models import ModelGrant
from models_registry.accounts.scopes import Scope
from models_registry.accounts.selectors import lock_active_user
from models_registry.registry.services import grant as grant_scope


@admin.register(ModelGrant)
class ModelGrantAdmin(ScopedAdmin):
    """Scopes on single models that are granted to users."""

    scopes = dict.fromkeys(("view", "add", "delete"), Scope.ORGANIZATION_ADMIN)

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

    def save_model(self, request: HttpRequest, obj: ModelGrant, form: "ModelForm[ModelGrant]", change: bool) -> None:
        """Store a new grant as the API does."""
        if change:
            super().save_model(request, obj, form, change)
            return
        user = lock_active_user(obj.user.username)
        stored = grant_scope(model=obj.model, user=user, scope=obj.scope)
        obj.__dict__.update(stored.__dict__)
