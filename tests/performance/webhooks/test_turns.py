"""The order in which messages are sent, and the worker that sends them beside its evaluations."""

from collections.abc import Callable
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel
from performance.management import worker
from performance.webhooks import delivery as webhook_delivery
from performance.webhooks.delivery import deliver_next
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import publish
from tests.performance.webhooks.deliveries import EVENTS
from tests.receiver import Receiver, receiving, status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_loopback_is_trusted")]


def queue_messages(organization: Organization, webhooks: int, messages: int = 1) -> list[Webhook]:
    made = [
        Webhook.objects.create(organization=organization, url="https://example.com", events=EVENTS)
        for _ in range(webhooks)
    ]
    for webhook in made:
        for number in range(messages):
            WebhookDelivery.objects.create(webhook=webhook, event="gate.failed", payload=str(number))
    return made


def take() -> Any:
    return WebhookDelivery.objects.claim_fairly(webhook_delivery.LEASE, limit=webhook_delivery.SENDERS_PER_ORGANIZATION)


def test_no_webhook_is_sent_two_messages_at_once(acme: Organization) -> None:
    [webhook] = queue_messages(acme, webhooks=1, messages=3)
    assert take().webhook == webhook
    assert take() is None


def test_an_organization_has_a_few_messages_under_way_and_others_are_not_held_up(acme: Organization) -> None:
    globex = Organization.objects.create(slug="globex", name="Globex")
    queue_messages(acme, webhooks=8, messages=10)
    [other] = queue_messages(globex, webhooks=1)
    taken = [take() for _ in range(webhook_delivery.SENDERS_PER_ORGANIZATION + 1)]
    assert take() is None
    assert [each.webhook.organization for each in taken].count(acme) == webhook_delivery.SENDERS_PER_ORGANIZATION
    assert taken[-1].webhook == other


def test_webhooks_take_turns(acme: Organization) -> None:
    webhooks = queue_messages(acme, webhooks=3, messages=2)
    turns = []
    for _ in range(6):
        turns.append(take().webhook)
        Webhook.objects.filter(pk=turns[-1].pk).update(sending_until=timezone.now())
    assert turns == webhooks * 2


def test_a_receiver_that_fails_does_not_hold_up_the_others(
    delivery: WebhookDelivery, model: RegisteredModel, receiver: Receiver
) -> None:
    WebhookDelivery.objects.all().delete()
    for number in range(5):
        publish("gate.failed", model, [{"number": number}])
    with receiving() as other:
        hook = Webhook.objects.create(organization=model.organization, url=other.url, events=["version.promoted"])
        publish("version.promoted", model, [{}])
        hook.organization.webhooks.exclude(pk=hook.pk).get().deliveries.filter(event="version.promoted").delete()
        receiver.answers = [status(500)] * 10
        while deliver_next():
            pass

        assert len(other.messages) == 1
        assert len(receiver.messages) == 1


@pytest.fixture
def working(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], bool], Event], None]:
    """Run a worker that calls `deliver` while its evaluation waits for an event."""

    def run(deliver: Callable[[], bool], ends: Event) -> None:
        stop = Event()

        def evaluate_for_long(_: Event) -> bool:
            assert ends.wait(30)
            stop.set()
            return True

        monkeypatch.setattr(worker, "evaluate_next", evaluate_for_long)
        monkeypatch.setattr(worker, "deliver_next", deliver)
        monkeypatch.setattr(worker, "close_old_connections", lambda: None)
        monkeypatch.setattr(worker, "POLL", 0.01)
        monkeypatch.setattr(worker, "OUTAGE", 0.01)
        worker.run_worker(stop)

    return run


@pytest.mark.once  # on SQLite, the worker's own thread waits for the test's transaction
@pytest.mark.parametrize("failures", [[], [RuntimeError("no such luck")], [OperationalError("away")]])
def test_no_message_waits_for_an_evaluation_whatever_went_wrong_with_another(
    working: Callable[[Callable[[], bool], Event], None], failures: list[Exception]
) -> None:
    sent = Event()

    def deliver() -> bool:
        if failures:
            raise failures.pop()
        sent.set()
        return False

    working(deliver, sent)
    assert not failures


@pytest.mark.once  # on SQLite, the worker's own threads wait for the test's transaction
def test_a_worker_runs_as_many_evaluations_at_once_as_its_option_says(monkeypatch: pytest.MonkeyPatch) -> None:
    together, stop = Barrier(3), Event()

    def evaluate_with_others(_: Event) -> bool:
        together.wait(30)
        stop.set()
        return True

    monkeypatch.setattr(worker, "evaluate_next", evaluate_with_others)
    monkeypatch.setattr(worker, "compare_next", lambda _: False)
    monkeypatch.setattr(worker, "deliver_next", lambda: False)
    monkeypatch.setattr(worker, "close_old_connections", lambda: None)

    worker.run_worker(stop, evaluations=3)

    assert not together.broken
