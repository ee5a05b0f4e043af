"""Receivers of one organization that never answer, while a worker sends messages of another."""

import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from threading import Event, Lock, Thread

import pytest

from models_registry.accounts.models import Organization
from performance.management import worker
from performance.webhooks.delivery import SENDERS, SENDERS_PER_ORGANIZATION
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.concurrency.together import alone
from tests.receiver import Receiver, receiving, status

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("rows_can_be_cleaned_up", "_loopback_is_trusted"),
]
TARPITS = 8


class Tarpit:
    """What holds each message until it is told to let go, and knows how many of each path it held at once."""

    def __init__(self) -> None:
        self.let_go, self._lock = Event(), Lock()
        self.held: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.held[handler.path] += 1
            self.held["all"] += 1
            self.most |= self.held
        self.let_go.wait(9)
        with self._lock:
            self.held[handler.path] -= 1
            self.held["all"] -= 1
        status(204)(handler)


def test_slow_receivers_do_not_delay_other_deliveries(acme: Organization, receiver: Receiver) -> None:
    tarpit = Tarpit()
    receiver.answers = [tarpit.answer] * 100
    for number in range(TARPITS):
        webhook = Webhook.objects.create(organization=acme, url=f"{receiver.url}/{number}", events=["gate.failed"])
        for _ in range(2):
            WebhookDelivery.objects.create(webhook=webhook, event="gate.failed", payload="{}")
    globex = Organization.objects.create(slug="globex", name="Globex")
    stop = Event()
    working = [Thread(target=lambda: alone(lambda: worker.run_worker(stop))) for _ in range(2)]
    with receiving() as other:
        for thread in working:
            thread.start()
        try:
            until(lambda: tarpit.held["all"] >= SENDERS_PER_ORGANIZATION)
            webhook = Webhook.objects.create(organization=globex, url=other.url, events=["gate.failed"])
            began = time.monotonic()
            WebhookDelivery.objects.create(webhook=webhook, event="gate.failed", payload="{}")
            until(lambda: other.messages)
            assert time.monotonic() - began < 5
        finally:
            stop.set()
            tarpit.let_go.set()
            for thread in working:
                thread.join()

    assert tarpit.most["all"] == SENDERS_PER_ORGANIZATION < SENDERS
    assert {number for path, number in tarpit.most.items() if path != "all"} == {1}


def until(true: Callable[[], object]) -> None:
    """Return once it is true."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
