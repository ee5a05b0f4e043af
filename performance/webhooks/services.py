"""Writes of webhooks, and the messages to them.

A message is queued in the transaction of its event, so that it is sent if and only if the event is stored. The worker
sends it.
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
from performance.webhooks.models import Webhook, WebhookDelivery

MAX_WEBHOOKS = 20  # of an organization, as each event may cause as many messages
TEST = "webhook.test"


@transaction.atomic
def create_webhook(
    *, organization: Organization, model: RegisteredModel | None, url: str, events: list[str], created_by: User
) -> Webhook:
    """Store a webhook, with a new secret. The caller holds the lock of the organization's row.

    Raises `ConflictError` if the organization has `MAX_WEBHOOKS` already.
    """
    if organization.webhooks.count() >= MAX_WEBHOOKS:
        raise ConflictError(f"{organization.slug} has {MAX_WEBHOOKS} webhooks, which is the most. Delete one first.")
    return Webhook.objects.create(organization=organization, model=model, url=url, events=events, created_by=created_by)


def update_webhook(*, webhook: Webhook, **changes: Any) -> Webhook:
    """Change a webhook's URL, its events, or whether it is active. Its secret stays.

    A new URL, or activating it, ends a pause after failures.
    """
    if "url" in changes or changes.get("is_active"):
        changes |= {"consecutive_failures": 0, "paused_until": None}
    return save_changes(webhook, **changes)


def delete_webhook(*, webhook: Webhook) -> None:
    """Delete a webhook and all its messages."""
    webhook.delete()


@transaction.atomic
def send_test_message(*, webhook: Webhook) -> WebhookDelivery:
    """Queue a test message, and end a pause after failures. Raises `ConflictError` if the webhook is not active."""
    if not webhook.is_active:
        raise ConflictError('The webhook is not active. Activate it with PATCH {"is_active": true} first.')
    before = webhook.deliveries.count()
    delivery = _message(webhook, TEST, {"organization": webhook.organization.slug, "webhook_id": str(webhook.pk)})
    delivery.save(force_insert=True)
    Webhook.objects.filter(pk=webhook.pk).update(paused_until=None)
    record_added(webhook, "test deliveries", before, before + 1)
    return delivery


def publish(event: str, model: RegisteredModel, data: dict[str, Any]) -> None:
    """Queue a message for each active webhook that subscribes to this event of this model.

    `data` consists of JSON's own types. Call it in the transaction of the event.
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
