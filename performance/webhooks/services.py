"""Create, change and test webhooks, and queue messages to them.

A message is queued in the transaction that stores its event: it is sent if and only if the event is stored. The worker
sends it.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TypedDict, Unpack

from django.db import transaction
from django.db.models import BigIntegerField, CharField, F
from django.utils import timezone

from models_registry.accounts.models import Organization, User
from models_registry.api.errors import ConflictError
from models_registry.api.times import utc_text
from models_registry.api.writes import save_changes
from models_registry.audit.recorder import record_added
from models_registry.db.prepared import Parameter, PreparedQuery, insert_many
from models_registry.registry.models import RegisteredModel
from performance.webhooks.events import TEST
from performance.webhooks.models import Webhook, WebhookDelivery

MAX_WEBHOOKS = 20  # of an organization: an event may become as many messages
_MODEL = Parameter("model", CharField())
_ORGANIZATION = Parameter("organization", BigIntegerField())


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
    data = {"organization": webhook.organization.slug, "webhook_id": str(webhook.pk)}
    delivery = _message(webhook.pk, TEST.name, data)
    delivery.save(force_insert=True)
    Webhook.objects.filter(pk=webhook.pk).update(paused_until=None)
    record_added(webhook, "test deliveries", before, before + 1)
    return delivery


def publish(event: str, model: RegisteredModel, messages: Iterable[Mapping[str, object]]) -> None:
    """Queue messages of an event to each active webhook that receives this event of this model.

    Each message holds JSON values only. Call it in the transaction that stores the event.
    """
    subscribed = _subscribed().all(model=model.pk, organization=model.organization_id)
    webhooks = [webhook for webhook in subscribed if event in webhook["events"]]
    if webhooks:  # otherwise the messages are not made
        insert_many(
            [
                _message(webhook["pk"], event, {"organization": webhook["slug"], "model_id": model.pk, **data})
                for data in messages
                for webhook in webhooks
            ]
        )


@cache
def _subscribed() -> PreparedQuery:
    """Return the query of the webhooks of a model, compiled once: each report runs it."""
    webhooks = Webhook.objects.subscribed_to(_MODEL, _ORGANIZATION)
    return PreparedQuery(webhooks.values("pk", "events", slug=F("organization__slug")))


def _message(webhook: int, event: str, data: Mapping[str, object]) -> WebhookDelivery:
    """Return an unsaved message to the webhook with this key, in the format of Standard Webhooks."""
    payload = {"type": event, "timestamp": utc_text(timezone.now()), "data": data}
    return WebhookDelivery(webhook_id=webhook, event=event, payload=json.dumps(payload, allow_nan=False))
