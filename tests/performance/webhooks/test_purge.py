"""What `purge` deletes of the messages to webhooks."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from performance.webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db


def test_purge_deletes_messages_that_ended_long_ago(
    delivery: WebhookDelivery, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended(days: int) -> None:
        WebhookDelivery.objects.create(
            webhook=delivery.webhook,
            event="gate.failed",
            payload=json.dumps({}),
            state="failed",
            due_at=None,
            finished_at=timezone.now() - timedelta(days=days),
        )

    ended(31)
    ended(29)
    call_command("purge")

    assert "1 messages to webhooks" in capsys.readouterr().out
    assert WebhookDelivery.objects.count() == 2
