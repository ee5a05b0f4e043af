"""Webhooks in the admin: setting them up, and seeing what became of the messages to them."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from models_registry.api.model_admin import ReadOnlyAdminMixin, RegistryAdmin, badge, link_to
from performance.jobs.admin import STATE_COLORS
from performance.webhooks.forms import WebhookForm
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import update_webhook


@admin.register(Webhook)
class WebhookAdmin(RegistryAdmin):
    """URLs that are told what happens. A secret is shown once, when its webhook is made."""

    form = WebhookForm
    list_display = ("url", "organization", "model", "told_of", "is_active", "sending", "created_by", "created_at")
    list_filter = (("organization", AutocompleteSelectFilter), "is_active")
    list_select_related = ("organization", "model", "created_by")
    search_fields = ("url", "organization__name", "model__name", "model__model_id")
    ordering = ("organization__name", "pk")
    autocomplete_fields = ("organization", "model")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Store the webhook; of a new one, note who made it and show the secret."""
        if not change:
            obj.created_by = request.user
            self.message_user(request, f"Its secret, which is not shown again: {obj.secret}")
            super().save_model(request, obj, form, change)
        else:  # the worker writes the other fields meanwhile
            update_webhook(webhook=obj, **{name: form.cleaned_data[name] for name in form.changed_data})

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Keep whose it is, for the messages to it tell of theirs."""
        return ("organization", "model", "consecutive_failures", "paused_until") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Show how sending goes, once the webhook is made."""
        of_sending = ["consecutive_failures", "paused_until"] if obj else []
        return ["organization", "model", "url", "events", "is_active", *of_sending]

    @admin.display(description="sending", ordering="consecutive_failures")
    def sending(self, webhook: Webhook) -> str:
        """Return whether attempts fail, and until when its messages wait."""
        if not webhook.consecutive_failures:
            return "as it should"
        paused_until = webhook.paused_until
        waiting = f", paused until {paused_until:%Y-%m-%d %H:%M} UTC" if paused_until else ""
        return f"{webhook.consecutive_failures} failures in a row{waiting}"

    @admin.display(description="events")
    def told_of(self, webhook: Webhook) -> str:
        """Return the names of the events."""
        return ", ".join(webhook.events)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdminMixin, RegistryAdmin):
    """Messages to webhooks, newest first."""

    list_display = ("created_at", "event", "receiver", "status", "attempts", "last_status", "last_error")
    list_filter = (("webhook__organization", AutocompleteSelectFilter), ("state", ChoicesDropdownFilter), "event")
    search_fields = ("webhook__organization__name", "id")
    search_help_text = "By organization, by its own id, and by URL for those who may see webhooks"
    ordering = ("-created_at", "pk")
    show_full_result_count = False
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
        """Return the fields to search in: a URL may be a secret, and is found only by those who may see it."""
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
