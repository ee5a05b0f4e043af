"""A receiver, a webhook that sends to it, and one message."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import publish
from tests.performance.webhooks.deliveries import EVENTS
from tests.receiver import Receiver, receiving


@pytest.fixture
def _loopback_is_trusted(settings: Settings) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


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
