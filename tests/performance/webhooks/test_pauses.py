"""A webhook that keeps failing is paused, longer and longer."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.webhooks import delivery as webhook_delivery
from performance.webhooks.delivery import deliver_next
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import publish
from tests.admin_pages import list_url, logged_in, page_url, text_of
from tests.api import Caller
from tests.performance.webhooks.deliveries import come_due, state
from tests.receiver import Receiver, status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_loopback_is_trusted")]


def fail_repeatedly(delivery: WebhookDelivery, receiver: Receiver, failures: int) -> timedelta:
    """Let attempts fail in a row; return how long the webhook is then paused."""
    receiver.answers = [status(500)] * failures
    for _ in range(failures):
        come_due(delivery)
        WebhookDelivery.objects.update(attempts=0)
        assert deliver_next()
    paused_until = Webhook.objects.get().paused_until
    assert paused_until is not None
    return paused_until - timezone.now()


@pytest.mark.parametrize(
    ("failures", "pause"),
    [
        (1, timedelta(seconds=5)),
        (webhook_delivery.FAILURES_TO_PAUSE - 1, timedelta(seconds=5)),
        (webhook_delivery.FAILURES_TO_PAUSE, timedelta(minutes=1)),
        (webhook_delivery.FAILURES_TO_PAUSE + 2, timedelta(minutes=4)),
        (webhook_delivery.FAILURES_TO_PAUSE + 20, timedelta(hours=1)),
    ],
)
def test_a_failing_webhook_pauses_longer_and_longer(
    delivery: WebhookDelivery, receiver: Receiver, failures: int, pause: timedelta
) -> None:
    assert pause - timedelta(seconds=3) < fail_repeatedly(delivery, receiver, failures) <= pause * 1.2


def test_a_failing_webhook_is_tried_with_one_message_after_the_pause_and_the_others_use_up_no_attempts(
    delivery: WebhookDelivery, model: RegisteredModel, receiver: Receiver
) -> None:
    fail_repeatedly(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
    for number in range(5):
        publish("gate.failed", model, [{"number": number}])
    assert not deliver_next()

    receiver.answers = [status(500)]
    Webhook.objects.update(paused_until=timezone.now())
    assert deliver_next()
    assert not deliver_next()
    assert sorted(each.attempts for each in WebhookDelivery.objects.exclude(pk=delivery.pk)) == [0, 0, 0, 0, 1]


def test_a_failing_webhook_recovers_after_one_success(
    delivery: WebhookDelivery, model: RegisteredModel, receiver: Receiver
) -> None:
    fail_repeatedly(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
    come_due(delivery)
    publish("gate.failed", model, [{}])
    assert deliver_next()
    assert deliver_next()
    webhook = Webhook.objects.get()
    assert (webhook.is_active, webhook.consecutive_failures, webhook.paused_until) == (True, 0, None)
    assert set(webhook.deliveries.values_list("state", flat=True)) == {"succeeded"}


def test_a_failing_webhook_shows_it_over_http_and_in_the_admin(
    delivery: WebhookDelivery, receiver: Receiver, admin: User, superuser: User
) -> None:
    fail_repeatedly(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
    shown = Caller(admin).get(f"/organizations/acme/webhooks/{delivery.webhook_id}").json()
    assert (shown["is_active"], shown["consecutive_failures"]) == (True, webhook_delivery.FAILURES_TO_PAUSE)
    assert shown["paused_until"] > f"{timezone.now():%Y-%m-%dT%H:%M:%SZ}"
    root = logged_in(superuser)
    for page in (list_url(Webhook), page_url(delivery.webhook)):
        assert f"{webhook_delivery.FAILURES_TO_PAUSE}" in text_of(root.get(page).content.decode())
    assert "5 failures in a row, paused until" in text_of(root.get(list_url(Webhook)).content.decode())


@pytest.mark.parametrize("change", [{"is_active": True}, {"url": "http://127.0.0.1:9/hook"}])
def test_a_failing_webhook_is_tried_at_once_when_an_admin_changes_it(
    delivery: WebhookDelivery, receiver: Receiver, admin: User, change: dict[str, Any]
) -> None:
    fail_repeatedly(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
    answer = Caller(admin).patch(f"/organizations/acme/webhooks/{delivery.webhook_id}", change)
    assert (answer.json()["consecutive_failures"], answer.json()["paused_until"]) == (0, None)


def test_a_failing_webhook_is_tried_at_once_when_an_admin_tests_it(
    delivery: WebhookDelivery, receiver: Receiver, admin: User
) -> None:
    fail_repeatedly(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
    answer = Caller(admin).post(f"/organizations/acme/webhooks/{delivery.webhook_id}/test")
    assert answer.status_code == 202
    assert deliver_next()


def test_old_messages_of_a_failing_webhook_are_given_up(delivery: WebhookDelivery, receiver: Receiver) -> None:
    fail_repeatedly(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
    WebhookDelivery.objects.update(created_at=timezone.now() - webhook_delivery.GIVE_UP)
    fail_repeatedly(delivery, receiver, 1)
    assert state(delivery)[0] == "failed"
    assert "kept failing" in delivery.last_error
