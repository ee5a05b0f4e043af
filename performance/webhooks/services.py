"""Webhooks: set up, tried, and told what happens.

A message is queued in the transaction of what it tells: it is sent if and only if that is stored. The worker sends it.
"""

import json
from typing import Any

from django.db import transaction
from django.utils import timezone

from models_registry.accounts.models import Organization, User
from models_registry.api.errors import ConflictError
from models_registry.api.fields import TIMESTAMP
from models_registry.api.writes import save_changes
from models_registry.audit.recorder import record_added
from models_registry.registry.models import RegisteredModel
from performance.webhooks.events import TEST as TEST_EVENT
from performance.webhooks.models import Webhook, WebhookDelivery

MAX_WEBHOOKS = 20  # of an organization, as each event may become as many messages
TEST = TEST_EVENT.name


@transaction.atomic
def create_webhook(
    *, organization: Organization, model: RegisteredModel | None, url: str, events: list[str], created_by: User
) -> Webhook:
    """Store a webhook, with a new secret. The caller holds the organization's row.

    Raises `ConflictError` when the organization has as many as it may.
    """
    if organization.webhooks.count() >= MAX_WEBHOOKS:
        raise ConflictError(f"{organization.slug} has {MAX_WEBHOOKS} webhooks, which is the most. Delete one first.")
    return Webhook.objects.create(organization=organization, model=model, url=url, events=events, created_by=created_by)


def update_webhook(*, webhook: Webhook, **changes: Any) -> Webhook:
    """Change what a webhook is told, and where, or whether it is. Its secret stays.

    A new URL, or `is_active`, ends a pause after failures.
    """
    if "url" in changes or changes.get("is_active"):
        changes |= {"consecutive_failures": 0, "paused_until": None}
    return save_changes(webhook, **changes)


def delete_webhook(*, webhook: Webhook) -> None:
    """Delete a webhook, and with it what is queued for it and what it was told."""
    webhook.delete()


@transaction.atomic
def send_test_message(*, webhook: Webhook) -> WebhookDelivery:
    """Queue a message that tells nothing, and end a pause after failures.

    Raises `ConflictError` when the webhook is not active.
    """
    if not webhook.is_active:
        raise ConflictError('The webhook is not active. Activate it with PATCH {"is_active": true} first.')
    before = webhook.deliveries.count()
    delivery = _message(webhook, TEST, {"organization": webhook.organization.slug, "webhook_id": str(webhook.pk)})
    delivery.save(force_insert=True)
    Webhook.objects.filter(pk=webhook.pk).update(paused_until=None)
    record_added(webhook, "test deliveries", before, before + 1)
    return delivery


def publish(event: str, model: RegisteredModel, data: dict[str, Any]) -> None:
    """Queue a message for each active webhook that is told of this event and model.

    `data` is in JSON's own types. To be called in the transaction of what the message tells.
    """
    listening: Any = Webhook.objects.listening(model)
    WebhookDelivery.objects.bulk_create(
        _message(webhook, event, {"organization": webhook.organization.slug, "model_id": model.pk, **data})
        for webhook in listening
        if event in webhook.events
    )


def _message(webhook: Webhook, event: str, data: dict[str, Any]) -> WebhookDelivery:
    """Return an unsaved message, in the form of Standard Webhooks."""
    payload = {"type": event, "timestamp": timezone.now().strftime(TIMESTAMP), "data": data}
    return WebhookDelivery(webhook=webhook, event=event, payload=json.dumps(payload, allow_nan=False))
