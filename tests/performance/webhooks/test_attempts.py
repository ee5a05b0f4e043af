"""Attempts to deliver a message: accepted, refused, repeated and given up."""

from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from models_registry.api import http_client
from models_registry.api.http_client import DeliveryError, Response
from models_registry.audit.models import AuditEntry
from performance.webhooks import delivery as webhook_delivery
from performance.webhooks.delivery import RETRY_DELAYS, deliver_next
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.performance.webhooks.deliveries import come_due, state
from tests.receiver import Receiver, raw, receiving, status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_loopback_is_trusted")]


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_an_accepted_attempt_ends_the_delivery(delivery: WebhookDelivery, receiver: Receiver, code: int) -> None:
    receiver.answers = [status(code)]
    assert deliver_next()
    assert state(delivery) == ("succeeded", 1, code)
    assert (delivery.due_at, delivery.last_error) == (None, "")
    assert not deliver_next()


@pytest.mark.parametrize("code", [300, 302, 308, 400, 401, 404, 429, 500, 503])
def test_a_refused_attempt_is_logged_and_repeated(
    delivery: WebhookDelivery, receiver: Receiver, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [status(code, b"no\x00t\nnow", Location="http://127.0.0.1:1/")]
    with caplog.at_level("INFO", webhook_delivery.__name__):
        assert deliver_next()
    [record] = caplog.records
    assert f"{delivery.message_id} (" in record.getMessage()
    assert f"attempt 1: queued, status {code} The receiver answered {code}" in record.getMessage()
    assert state(delivery) == ("queued", 1, code)
    assert str(code) in delivery.last_error
    assert not deliver_next()
    come_due(delivery)
    assert deliver_next()
    assert state(delivery) == ("succeeded", 2, 204)


def test_attempts_wait_longer_each_time_and_end_after_about_a_day_and_a_half(
    delivery: WebhookDelivery, receiver: Receiver
) -> None:
    receiver.answers = [status(500)] * 20
    for wait in RETRY_DELAYS:
        assert deliver_next()
        assert state(delivery)[0] == "queued"
        assert wait - timedelta(seconds=3) < come_due(delivery) <= wait * 1.2
    assert deliver_next()
    assert state(delivery) == ("failed", len(RETRY_DELAYS) + 1, 500)
    assert delivery.due_at is None
    assert not deliver_next()
    assert len(receiver.messages) == len(RETRY_DELAYS) + 1


def test_an_attempt_without_a_response_is_repeated(
    delivery: WebhookDelivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "RESPONSE_TIMEOUT", 0.3)
    done = Event()
    receiver.answers = [lambda _: done.wait(30)]
    assert deliver_next()
    done.set()
    assert state(delivery) == ("queued", 1, None)
    assert delivery.last_error.startswith("No answer came.")


def test_the_response_of_a_public_host_is_shown(delivery: WebhookDelivery, monkeypatch: pytest.MonkeyPatch) -> None:
    Webhook.objects.update(url="https://example.com/hook")
    monkeypatch.setattr(webhook_delivery, "post", lambda *_, **__: Response(500, "not now"))
    assert deliver_next()
    assert state(delivery) == ("queued", 1, 500)
    assert delivery.last_answer == "not now"

    def silent(*_: Any, **__: Any) -> Any:
        raise DeliveryError("No answer came in time.")

    monkeypatch.setattr(webhook_delivery, "post", silent)
    come_due(delivery)
    assert deliver_next()
    assert state(delivery) == ("queued", 2, None)
    assert (delivery.last_answer, delivery.last_error) == ("", "No answer came in time.")


def test_only_the_status_of_a_trusted_private_host_is_shown(
    delivery: WebhookDelivery, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [status(500, b"db-3 is down"), raw(b"SSH-2.0-OpenSSH_9.2")]
    assert deliver_next()
    assert state(delivery) == ("queued", 1, 500)
    assert delivery.last_answer == ""
    verified_content = []
    with receiving() as closed:
        pass
    for url in (receiver.url, closed.url, f"https://127.0.0.1:{receiver.port}/", f"http://127.0.0.1:{closed.port}"):
        Webhook.objects.update(url=url)
        come_due(delivery)
        assert deliver_next()
        delivery.refresh_from_db()
        verified_content.append((delivery.last_status, delivery.last_answer, delivery.last_error))

    assert verified_content == [(None, "", "No answer came. Ask the operator, whose log says why.")] * 4
    assert "SSH-2.0" in caplog.text
    assert "Connection refused" in caplog.text


def test_no_attempt_is_made_at_an_address_that_has_become_private(
    delivery: WebhookDelivery, receiver: Receiver, settings: Settings
) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = []
    assert deliver_next()
    assert state(delivery) == ("queued", 1, None)
    assert "not allowed" in delivery.last_error
    assert not receiver.messages


def test_an_attempt_answered_with_gone_switches_the_webhook_off(delivery: WebhookDelivery, receiver: Receiver) -> None:
    receiver.answers = [status(410)]
    assert deliver_next()
    assert state(delivery) == ("failed", 1, 410)
    webhook = Webhook.objects.get()
    assert not webhook.is_active
    changes = [entry.changes for entry in AuditEntry.objects.get_for_object(webhook)]
    assert {"is_active": [True, False]} in changes


def test_no_attempt_is_made_at_a_webhook_that_is_off(delivery: WebhookDelivery, receiver: Receiver) -> None:
    Webhook.objects.update(is_active=False)
    assert deliver_next()
    assert state(delivery) == ("failed", 1, None)
    assert "not active" in delivery.last_error
    assert not receiver.messages


def test_an_attempt_of_a_killed_worker_is_repeated_once_its_lease_has_ended(
    delivery: WebhookDelivery, receiver: Receiver
) -> None:
    WebhookDelivery.objects.claim(webhook_delivery.LEASE)
    assert not deliver_next()
    assert timedelta(seconds=50) < come_due(delivery) <= webhook_delivery.LEASE
    assert deliver_next()
    assert state(delivery) == ("succeeded", 2, 204)
    assert receiver.messages[0].headers["webhook-id"] == delivery.message_id


def test_an_attempt_that_always_kills_its_worker_is_not_repeated_for_ever(
    delivery: WebhookDelivery, receiver: Receiver
) -> None:
    for _ in range(webhook_delivery.MAX_ATTEMPTS):
        WebhookDelivery.objects.claim(webhook_delivery.LEASE)
        come_due(delivery)
    assert deliver_next()
    assert state(delivery)[0] == "failed"
    assert not receiver.messages


def test_an_attempt_whose_lease_was_lost_changes_nothing(
    delivery: WebhookDelivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_meanwhile(*arguments: Any, **options: Any) -> Any:
        come_due(delivery)
        WebhookDelivery.objects.claim(webhook_delivery.LEASE)
        return http_client.post(*arguments, **options)

    monkeypatch.setattr(webhook_delivery, "post", taken_meanwhile)
    assert deliver_next()
    assert state(delivery) == ("running", 2, None)


def test_a_message_that_another_worker_has_claimed_is_logged_and_frees_nothing(
    delivery: WebhookDelivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def taken_meanwhile(*arguments: Any, **options: Any) -> Any:
        come_due(delivery)
        assert WebhookDelivery.objects.claim_fairly(webhook_delivery.LEASE, limit=1)
        return http_client.post(*arguments, **options)

    monkeypatch.setattr(webhook_delivery, "post", taken_meanwhile)
    assert deliver_next()

    assert "no longer this worker's" in caplog.text
    webhook = Webhook.objects.get()
    assert webhook.sending_until is not None
    assert webhook.sending_until > timezone.now()  # the other worker's lease
