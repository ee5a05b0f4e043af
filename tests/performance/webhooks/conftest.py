"""A webhook that sends to a receiver, and one message."""

import pytest

from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import publish
from tests.performance.webhooks.deliveries import EVENTS
from tests.receiver import Receiver


@pytest.fixture
def webhook(acme: Organization, receiver: Receiver) -> Webhook:
    """A webhook that receives all events."""
    return Webhook.objects.create(organization=acme, url=receiver.url, events=EVENTS)


@pytest.fixture
def delivery(webhook: Webhook, model: RegisteredModel) -> WebhookDelivery:
    """The one message that is queued."""
    WebhookDelivery.objects.all().delete()
    publish("gate.failed", model, [{"version_id": "ver-001a1"}])
    return webhook.deliveries.get()
