"""Webhooks in the admin, and the messages to them."""

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from models_registry.accounts.locks import lock_organization
from models_registry.accounts.model_admin import ADMINISTER, ScopedAdmin, logged_in_user
from models_registry.accounts.scopes import Scope
from models_registry.api.model_admin import ReadOnlyAdminMixin, badge, link_to
from performance.jobs.admin import STATE_COLORS
from performance.webhooks.forms import WebhookForm
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import create_webhook, update_webhook


@admin.register(Webhook)
class WebhookAdmin(ScopedAdmin):
    """Webhooks. A secret is shown once, when its webhook is created."""

    scopes = ADMINISTER
    owner_lookups = ("organization",)

    form = WebhookForm
    list_display = ("url", "organization", "model", "event_names", "is_active", "sending", "created_by", "created_at")
    list_filter = (("organization", AutocompleteSelectFilter), "is_active")
    list_select_related = ("organization", "model", "created_by")
    search_fields = ("url", "organization__name", "model__name", "model__model_id")
    ordering = ("organization__name", "pk")
    autocomplete_fields = ("organization", "model")

    def save_model(self, request: HttpRequest, obj: Webhook, form: "ModelForm[Webhook]", change: bool) -> None:
        """Store the webhook. For a new one, record its creator and show the secret."""
        if change:  # only the changed fields, as the worker writes others meanwhile
            update_webhook(webhook=obj, **{name: form.cleaned_data[name] for name in form.changed_data})
            return
        lock_organization(obj.organization_id)
        stored = create_webhook(**form.cleaned_data, created_by=logged_in_user(request))
        obj.__dict__.update(stored.__dict__)
        self.message_user(request, f"The webhook's secret, which is not shown again: {obj.secret}")

    def get_readonly_fields(self, request: HttpRequest, obj: Webhook | None = None) -> tuple[str, ...]:
        """Keep the owner of an existing webhook: its messages are about the owner's models."""
        return ("organization", "model", "consecutive_failures", "paused_until") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Webhook | None = None) -> tuple[str, ...]:
        """Add the switch and the state of the deliveries to an existing webhook."""
        fields = ("organization", "model", "url", "events")
        return (*fields, "is_active", "consecutive_failures", "paused_until") if obj else fields

    @admin.display(description="sending", ordering="consecutive_failures")
    def sending(self, webhook: Webhook) -> str:
        """Return the number of failed attempts in a row, and until when the messages wait."""
        if not webhook.consecutive_failures:
            return "as it should"
        paused_until = webhook.paused_until
        waiting = f", paused until {paused_until:%Y-%m-%d %H:%M} UTC" if paused_until else ""
        return f"{webhook.consecutive_failures} failures in a row{waiting}"

    @admin.display(description="events")
    def event_names(self, webhook: Webhook) -> str:
        """Return the names of the events."""
        return ", ".join(webhook.events)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdminMixin, ScopedAdmin):
    """Messages to webhooks, newest first."""

    scopes = {"view": Scope.ORGANIZATION_ADMIN}
    owner_lookups = ("webhook__organization",)

    list_display = ("created_at", "event", "receiver", "status", "attempts", "last_status", "last_error")
    list_filter = (("webhook__organization", AutocompleteSelectFilter), ("state", ChoicesDropdownFilter), "event")
    search_fields = ("webhook__organization__name", "id")
    search_help_text = "By organization, by id of the message, and by URL for those who may see webhooks"
    ordering = ("-created_at", "pk")
    fields = (
        "message_id",
        ("event", "status"),
        ("receiver", "attempts"),
        ("created_at", "due_at"),
        ("started_at", "finished_at"),
        ("last_status", "last_error"),
        "last_answer",
        "payload",
    )

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the fields to search in. A URL may be a secret: only users who may see webhooks find it."""
        sees_urls = self.admin_site.get_model_admin(Webhook).has_view_permission(request)
        return (*self.search_fields, "webhook__url") if sees_urls else self.search_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        """Return the messages with their webhooks and organizations."""
        deliveries: QuerySet[WebhookDelivery] = super().get_queryset(request)
        return deliveries.select_related("webhook__organization")

    @admin.display(description="webhook", ordering="webhook")
    def receiver(self, delivery: WebhookDelivery) -> str:
        """Return a link to the webhook."""
        return link_to(delivery.webhook)

    @admin.display(description="state", ordering="state")
    def status(self, delivery: WebhookDelivery) -> str:
        """Return the state as a badge."""
        return badge(delivery.state, STATE_COLORS[delivery.state])
