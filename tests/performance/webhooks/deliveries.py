"""What the tests of webhooks ask of a message."""

from datetime import timedelta

from django.utils import timezone

from performance.webhooks.models import Webhook, WebhookDelivery

EVENTS = ["snapshot.created", "version.promoted", "gate.failed"]


def come_due(delivery: WebhookDelivery) -> timedelta:
    """Make a message due and its webhook free; return how long the message would have waited."""
    delivery.refresh_from_db()
    assert delivery.due_at is not None
    left = delivery.due_at - timezone.now()
    WebhookDelivery.objects.filter(pk=delivery.pk).update(due_at=timezone.now())
    Webhook.objects.update(paused_until=None, sending_until=None)
    return left


def state(delivery: WebhookDelivery) -> tuple[str, int, int | None]:
    delivery.refresh_from_db()
    return delivery.state, delivery.attempts, delivery.last_status
