"""Deliveries to webhooks: attempts, failures, and whose turn it is."""

import json
from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from models_registry.accounts.models import Organization, User
from models_registry.api import http_client
from models_registry.api.http_client import DeliveryError, Response
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from performance.management import worker
from performance.webhooks import delivery as webhook_delivery
from performance.webhooks.delivery import RETRY_DELAYS, deliver_next
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import publish
from tests.admin_pages import list_url, logged_in, page_url, text_of
from tests.api import Caller
from tests.performance.webhooks.deliveries import EVENTS, come_due, state
from tests.receiver import Receiver, raw, receiving, status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_loopback_is_trusted")]


class TestAnAttempt:
    @pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
    def test_an_accepted_attempt_ends_the_delivery(
        self, delivery: WebhookDelivery, receiver: Receiver, code: int
    ) -> None:
        receiver.answers = [status(code)]
        assert deliver_next()
        assert state(delivery) == ("succeeded", 1, code)
        assert (delivery.due_at, delivery.last_error) == (None, "")
        assert not deliver_next()

    @pytest.mark.parametrize("code", [300, 302, 308, 400, 401, 404, 429, 500, 503])
    def test_a_refused_attempt_is_logged_and_repeated(
        self, delivery: WebhookDelivery, receiver: Receiver, code: int, caplog: pytest.LogCaptureFixture
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

    def test_waits_longer_each_time_and_is_the_last_after_about_a_day_and_a_half(
        self, delivery: WebhookDelivery, receiver: Receiver
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
        self, delivery: WebhookDelivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_client, "RESPONSE_TIMEOUT", 0.3)
        done = Event()
        receiver.answers = [lambda _: done.wait(30)]
        assert deliver_next()
        done.set()
        assert state(delivery) == ("queued", 1, None)
        assert delivery.last_error.startswith("No answer came.")

    def test_of_a_public_host_is_shown_with_the_response(
        self, delivery: WebhookDelivery, monkeypatch: pytest.MonkeyPatch
    ) -> None:
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

    def test_of_a_trusted_private_host_is_shown_by_its_status_alone(
        self, delivery: WebhookDelivery, receiver: Receiver, caplog: pytest.LogCaptureFixture
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

    def test_at_an_address_that_has_become_private_is_not_made(
        self, delivery: WebhookDelivery, receiver: Receiver, settings: Settings
    ) -> None:
        settings.WEBHOOK_PRIVATE_HOSTS = []
        assert deliver_next()
        assert state(delivery) == ("queued", 1, None)
        assert "not allowed" in delivery.last_error
        assert not receiver.messages

    def test_an_attempt_answered_with_gone_switches_the_webhook_off(
        self, delivery: WebhookDelivery, receiver: Receiver
    ) -> None:
        receiver.answers = [status(410)]
        assert deliver_next()
        assert state(delivery) == ("failed", 1, 410)
        webhook = Webhook.objects.get()
        assert not webhook.is_active
        changes = [entry.changes for entry in AuditEntry.objects.get_for_object(webhook)]
        assert {"is_active": [True, False]} in changes

    def test_to_a_webhook_that_is_off_is_not_made(self, delivery: WebhookDelivery, receiver: Receiver) -> None:
        Webhook.objects.update(is_active=False)
        assert deliver_next()
        assert state(delivery) == ("failed", 1, None)
        assert "not active" in delivery.last_error
        assert not receiver.messages

    def test_an_attempt_of_a_killed_worker_is_repeated_once_its_lease_has_ended(
        self, delivery: WebhookDelivery, receiver: Receiver
    ) -> None:
        WebhookDelivery.objects.claim(webhook_delivery.LEASE)
        assert not deliver_next()
        assert timedelta(seconds=50) < come_due(delivery) <= webhook_delivery.LEASE
        assert deliver_next()
        assert state(delivery) == ("succeeded", 2, 204)
        assert receiver.messages[0].headers["webhook-id"] == delivery.message_id

    def test_an_attempt_that_always_kills_its_worker_is_not_repeated_for_ever(
        self, delivery: WebhookDelivery, receiver: Receiver
    ) -> None:
        for _ in range(webhook_delivery.MAX_ATTEMPTS):
            WebhookDelivery.objects.claim(webhook_delivery.LEASE)
            come_due(delivery)
        assert deliver_next()
        assert state(delivery)[0] == "failed"
        assert not receiver.messages

    def test_whose_message_was_taken_by_another_worker_meanwhile_says_nothing(
        self, delivery: WebhookDelivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def taken_meanwhile(*arguments: Any, **options: Any) -> Any:
            come_due(delivery)
            WebhookDelivery.objects.claim(webhook_delivery.LEASE)
            return http_client.post(*arguments, **options)

        monkeypatch.setattr(webhook_delivery, "post", taken_meanwhile)
        assert deliver_next()
        assert state(delivery) == ("running", 2, None)


class TestAWebhookThatKeepsFailing:
    def failing(self, delivery: WebhookDelivery, receiver: Receiver, failures: int) -> timedelta:
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
        self, delivery: WebhookDelivery, receiver: Receiver, failures: int, pause: timedelta
    ) -> None:
        assert pause - timedelta(seconds=3) < self.failing(delivery, receiver, failures) <= pause * 1.2

    def test_a_failing_webhook_is_tried_with_one_message_after_the_pause_and_the_others_use_up_no_attempts(
        self, delivery: WebhookDelivery, model: RegisteredModel, receiver: Receiver
    ) -> None:
        self.failing(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
        for number in range(5):
            publish("gate.failed", model, [{"number": number}])
        assert not deliver_next()

        receiver.answers = [status(500)]
        Webhook.objects.update(paused_until=timezone.now())
        assert deliver_next()
        assert not deliver_next()
        assert sorted(each.attempts for each in WebhookDelivery.objects.exclude(pk=delivery.pk)) == [0, 0, 0, 0, 1]

    def test_a_failing_webhook_recovers_after_one_success(
        self, delivery: WebhookDelivery, model: RegisteredModel, receiver: Receiver
    ) -> None:
        self.failing(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
        come_due(delivery)
        publish("gate.failed", model, [{}])
        assert deliver_next()
        assert deliver_next()
        webhook = Webhook.objects.get()
        assert (webhook.is_active, webhook.consecutive_failures, webhook.paused_until) == (True, 0, None)
        assert set(webhook.deliveries.values_list("state", flat=True)) == {"succeeded"}

    def test_a_failing_webhook_shows_it_over_http_and_in_the_admin(
        self, delivery: WebhookDelivery, receiver: Receiver, admin: User, superuser: User
    ) -> None:
        self.failing(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
        shown = Caller(admin).get(f"/organizations/acme/webhooks/{delivery.webhook_id}").json()
        assert (shown["is_active"], shown["consecutive_failures"]) == (True, webhook_delivery.FAILURES_TO_PAUSE)
        assert shown["paused_until"] > f"{timezone.now():%Y-%m-%dT%H:%M:%SZ}"
        root = logged_in(superuser)
        for page in (list_url(Webhook), page_url(delivery.webhook)):
            assert f"{webhook_delivery.FAILURES_TO_PAUSE}" in text_of(root.get(page).content.decode())
        assert "5 failures in a row, paused until" in text_of(root.get(list_url(Webhook)).content.decode())

    @pytest.mark.parametrize("change", [{"is_active": True}, {"url": "http://127.0.0.1:9/hook"}])
    def test_a_failing_webhook_is_tried_at_once_when_an_admin_changes_it(
        self, delivery: WebhookDelivery, receiver: Receiver, admin: User, change: dict[str, Any]
    ) -> None:
        self.failing(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
        answer = Caller(admin).patch(f"/organizations/acme/webhooks/{delivery.webhook_id}", change)
        assert (answer.json()["consecutive_failures"], answer.json()["paused_until"]) == (0, None)

    def test_a_failing_webhook_is_tried_at_once_when_an_admin_tests_it(
        self, delivery: WebhookDelivery, receiver: Receiver, admin: User
    ) -> None:
        self.failing(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
        answer = Caller(admin).post(f"/organizations/acme/webhooks/{delivery.webhook_id}/test")
        assert answer.status_code == 202
        assert deliver_next()

    def test_old_messages_of_a_failing_webhook_are_given_up(
        self, delivery: WebhookDelivery, receiver: Receiver
    ) -> None:
        self.failing(delivery, receiver, webhook_delivery.FAILURES_TO_PAUSE)
        WebhookDelivery.objects.update(created_at=timezone.now() - webhook_delivery.GIVE_UP)
        self.failing(delivery, receiver, 1)
        assert state(delivery)[0] == "failed"
        assert "kept failing" in delivery.last_error


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


class TestTurns:
    """The order in which messages are sent."""

    def announced(self, organization: Organization, webhooks: int, messages: int = 1) -> list[Webhook]:
        made = [
            Webhook.objects.create(organization=organization, url="https://example.com", events=EVENTS)
            for _ in range(webhooks)
        ]
        for webhook in made:
            for number in range(messages):
                WebhookDelivery.objects.create(webhook=webhook, event="gate.failed", payload=str(number))
        return made

    def take(self) -> Any:
        return WebhookDelivery.objects.claim_fairly(
            webhook_delivery.LEASE, limit=webhook_delivery.SENDERS_PER_ORGANIZATION
        )

    def test_no_webhook_is_sent_two_messages_at_once(self, acme: Organization) -> None:
        [webhook] = self.announced(acme, webhooks=1, messages=3)
        assert self.take().webhook == webhook
        assert self.take() is None

    def test_an_organization_has_a_few_messages_under_way_and_others_are_not_held_up(self, acme: Organization) -> None:
        globex = Organization.objects.create(slug="globex", name="Globex")
        self.announced(acme, webhooks=8, messages=10)
        [other] = self.announced(globex, webhooks=1)
        taken = [self.take() for _ in range(webhook_delivery.SENDERS_PER_ORGANIZATION + 1)]
        assert self.take() is None
        assert [each.webhook.organization for each in taken].count(acme) == webhook_delivery.SENDERS_PER_ORGANIZATION
        assert taken[-1].webhook == other

    def test_webhooks_take_turns(self, acme: Organization) -> None:
        webhooks = self.announced(acme, webhooks=3, messages=2)
        turns = []
        for _ in range(6):
            turns.append(self.take().webhook)
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


@pytest.mark.once  # as well
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


def test_purge_forgets_what_ended_long_ago(delivery: WebhookDelivery, capsys: pytest.CaptureFixture[str]) -> None:
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
