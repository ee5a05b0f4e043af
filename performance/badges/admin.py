"""Badges in the admin, where they are made and revoked."""

from datetime import timedelta

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from models_registry.accounts.model_admin import ScopedAdmin, logged_in_user
from models_registry.accounts.scopes import Scope
from models_registry.api.model_admin import RevokedFilter
from performance.badges.forms import BadgeForm
from performance.badges.models import Badge
from performance.badges.selectors import badge_path
from performance.badges.services import create_badge, revoke_badge


@admin.register(Badge)
class BadgeAdmin(ScopedAdmin):
    """Badges, newest first. A signed URL is shown once, when its badge is made; the API shows it later too."""

    scopes = dict.fromkeys(("view", "add", "change"), Scope.ORGANIZATION_ADMIN)
    form = BadgeForm
    list_display = ("created_at", "model", "shows", "dataset_split", "expires_at", "revoked_at", "created_by")
    list_filter = (("model__organization", AutocompleteSelectFilter), RevokedFilter)
    search_fields = ("model__name", "model__model_id", "metric", "created_by__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    fields = (("model", "shows"), ("dataset_split", "created_by"), ("created_at", "expires_at"), "revoked_at")
    actions = ("revoke",)
    autocomplete_fields = ("model",)

    def get_fields(self, request: HttpRequest, obj: Badge | None = None) -> tuple[str | tuple[str, ...], ...]:
        """Return what an existing badge shows, or the form of a new one."""
        return self.fields if obj else ("model", "metric", "dataset_split", "lifetime_days")

    def get_readonly_fields(self, request: HttpRequest, obj: Badge | None = None) -> tuple[str, ...]:
        """Return the column that no field of the form has."""
        return ("shows",) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Badge | None = None) -> bool:
        """Return `False`: a badge is only revoked."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Badge | None = None) -> bool:
        """Return `False`: a badge is only revoked."""
        return False

    def save_model(self, request: HttpRequest, obj: Badge, form: "ModelForm[Badge]", change: bool) -> None:
        """Store a new badge as the API does, and show its URL."""
        values = {name: form.cleaned_data[name] for name in ("model", "metric", "dataset_split")}
        lifetime = timedelta(days=form.cleaned_data["lifetime_days"])
        stored = create_badge(**values, lifetime=lifetime, created_by=logged_in_user(request))
        obj.__dict__.update(stored.__dict__)
        self.message_user(request, f"The badge's URL: {request.build_absolute_uri(badge_path(stored))}")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Badge]:
        """Return the badges with their models and creators."""
        badges: QuerySet[Badge] = super().get_queryset(request)
        return badges.select_related("model", "created_by")

    @admin.display(description="shows", ordering="metric")
    def shows(self, badge: Badge) -> str:
        """Return the metric, or that the badge shows the verdict."""
        return badge.metric or "gate's verdict"

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may revoke badges, which needs the right to change them."""
        return self.has_django_permission(request, "change") or self.has_scope(request, "change")

    @admin.action(description="Revoke selected badges", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Badge]) -> None:
        """Revoke the selected badges."""
        with transaction.atomic():
            badges = self.changeable(request, queryset).filter(revoked_at=None)
            revoked = [revoke_badge(badge=badge) for badge in badges]
        self.message_user(request, f"Badges revoked: {len(revoked)}.")
