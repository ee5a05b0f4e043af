"""Create, change and test webhooks, and queue messages to them.

A message is queued in the transaction that stores its event: it is sent if and only if the event is stored. The worker
sends it.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TypedDict, Unpack

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

MAX_WEBHOOKS = 20  # of an organization: an event may become as many messages
TEST = TEST_EVENT.name


class WebhookUpdate(TypedDict, total=False):
    """The fields of a webhook that can change."""

    url: str
    events: list[str]
    is_active: bool


@transaction.atomic
def create_webhook(
    *, organization: Organization, model: RegisteredModel | None, url: str, events: list[str], created_by: User
) -> Webhook:
    """Store a webhook with a new secret. The caller has locked the organization's row.

    Raises `ConflictError` if the organization has `MAX_WEBHOOKS` already.
    """
    if organization.webhooks.count() >= MAX_WEBHOOKS:
        raise ConflictError(f"{organization.slug} has {MAX_WEBHOOKS} webhooks, which is the limit. Delete one first.")
    return Webhook.objects.create(organization=organization, model=model, url=url, events=events, created_by=created_by)


def update_webhook(*, webhook: Webhook, **changes: Unpack[WebhookUpdate]) -> Webhook:
    """Change a webhook. Its secret stays.

    A new URL and `is_active=True` end a pause after failures.
    """
    if "url" in changes or changes.get("is_active"):
        return save_changes(webhook, **changes, consecutive_failures=0, paused_until=None)
    return save_changes(webhook, **changes)


def delete_webhook(*, webhook: Webhook) -> None:
    """Delete a webhook together with its messages, queued and sent."""
    webhook.delete()


@transaction.atomic
def send_test_message(*, webhook: Webhook) -> WebhookDelivery:
    """Queue a message without an event, and end a pause after failures.

    Raises `ConflictError` if the webhook is not active.
    """
    if not webhook.is_active:
        raise ConflictError('The webhook is not active. Activate it with PATCH {"is_active": true} first.')
    before = webhook.deliveries.count()
    delivery = _message(webhook, TEST, {"organization": webhook.organization.slug, "webhook_id": str(webhook.pk)})
    delivery.save(force_insert=True)
    Webhook.objects.filter(pk=webhook.pk).update(paused_until=None)
    record_added(webhook, "test deliveries", before, before + 1)
    return delivery


def publish(event: str, model: RegisteredModel, messages: Iterable[Mapping[str, object]]) -> None:
    """Queue messages of an event to each active webhook that receives this event of this model.

    Each message holds JSON values only. Call it in the transaction that stores the event.
    """
    webhooks = [webhook for webhook in Webhook.objects.subscribed_to(model) if event in webhook.events]
    if webhooks:  # otherwise the messages are not made
        WebhookDelivery.objects.bulk_create(
            _message(webhook, event, {"organization": webhook.organization.slug, "model_id": model.pk, **data})
            for data in messages
            for webhook in webhooks
        )


def _message(webhook: Webhook, event: str, data: Mapping[str, object]) -> WebhookDelivery:
    """Return an unsaved message in the format of Standard Webhooks."""
    payload = {"type": event, "timestamp": timezone.now().strftime(TIMESTAMP), "data": data}
    return WebhookDelivery(webhook=webhook, event=event, payload=json.dumps(payload, allow_nan=False))
