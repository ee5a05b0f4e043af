"""Badges in the admin, where they can be revoked. The API creates them."""

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from models_registry.accounts.model_admin import ScopedAdmin
from models_registry.accounts.scopes import Scope
from models_registry.api.model_admin import ReadOnlyAdminMixin, RevokedFilter
from performance.badges.models import Badge
from performance.badges.services import revoke_badge


@admin.register(Badge)
class BadgeAdmin(ReadOnlyAdminMixin, ScopedAdmin):
    """Badges, newest first. Only the API shows their signed URLs."""

    scopes = dict.fromkeys(("view", "change"), Scope.ORGANIZATION_ADMIN)

    list_display = ("created_at", "model", "shows", "dataset_split", "expires_at", "revoked_at", "created_by")
    list_filter = (("model__organization", AutocompleteSelectFilter), RevokedFilter)
    search_fields = ("model__name", "model__model_id", "metric", "created_by__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    fields = (("model", "shows"), ("dataset_split", "created_by"), ("created_at", "expires_at"), "revoked_at")
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Badge]:
        """Return the badges with their models and creators."""
        badges: QuerySet[Badge] = super().get_queryset(request)
        return badges.select_related("model", "created_by")

    @admin.display(description="shows", ordering="metric")
    def shows(self, badge: Badge) -> str:
        """Return the metric, or that the badge shows the verdict."""
        return badge.metric or "gate's verdict"

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may revoke badges: whoever may change them may."""
        return self.has_django_permission(request, "change") or self.has_scope(request, "change")

    @admin.action(description="Revoke selected badges", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Badge]) -> None:
        """Revoke the selected badges."""
        with transaction.atomic():
            revoked = [revoke_badge(badge=badge) for badge in queryset.filter(revoked_at=None)]
        self.message_user(request, f"Badges revoked: {len(revoked)}.")
