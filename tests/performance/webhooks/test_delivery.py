"""Messages to webhooks: their content, signature and receivers, and failed deliveries."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, transaction
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from models_registry.accounts.models import Organization, User
from models_registry.api import http_client
from models_registry.api.errors import ConflictError
from models_registry.api.http_client import DeliveryError, Response
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import Promotion, RegisteredModel
from models_registry.registry.promotions import promote, roll_back
from performance.gates.models import GatePolicy, GateVerdict
from performance.management import worker
from performance.snapshots.services import check_report, report_snapshot
from performance.webhooks import delivery as webhook_delivery
from performance.webhooks.delivery import RETRY_DELAYS, deliver_next
from performance.webhooks.events import EVENTS as DECLARED
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import publish
from tests.admin_pages import list_url, logged_in, page_url, text_of
from tests.api import Caller, refusal
from tests.factories import completed_version
from tests.receiver import Message, Receiver, raw, receiving, status

pytestmark = pytest.mark.django_db
EVENTS = ["snapshot.created", "version.promoted", "gate.failed"]


@pytest.fixture(autouse=True)
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


def verified_content(message: Message, webhook: Webhook) -> Any:
    """Verify a message's signature as a receiver does, and return its content."""
    return Verifier(webhook.secret).verify(message.body, message.headers)


def documented(name: str) -> list[str]:
    """Return the members of an event's data that its declaration, and so the documentation, names."""
    return ["organization", "model_id", *next(event.data for event in DECLARED if event.name == name)]


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


class TestMessages:
    def test_a_new_snapshot_sends_a_message(
        self, model: RegisteredModel, editor: User, webhook: Webhook, receiver: Receiver
    ) -> None:
        report = check_report(
            model=model, dataset_split="test", metrics={"accuracy": 0.9, "log_loss": 1e-300}, sample_count=5000
        )
        stored = report_snapshot(version=model.versions.get(), report=report, reported_by=editor)
        assert deliver_next()

        [message] = receiver.messages
        payload = verified_content(message, webhook)
        assert list(payload) == ["type", "timestamp", "data"]
        assert payload["type"] == "snapshot.created"
        assert list(payload["data"]) == documented("snapshot.created")
        assert payload["data"] == {
            "organization": "acme",
            "model_id": "mdl-7f3a19bc92",
            "version_id": "ver-001a1",
            "dataset_split": "test",
            "dataset": None,
            "snapshot_id": str(stored.pk),
            "source": "reported",
            "metrics": {"accuracy": 0.9, "log_loss": 1e-300},
            "sample_count": 5000,
            "evaluated_at": f"{stored.evaluated_at:%Y-%m-%dT%H:%M:%SZ}",
            "url": f"/api/v1/models/mdl-7f3a19bc92/versions/ver-001a1/snapshots/{stored.pk}",
        }
        assert message.headers["content-type"] == "application/json"

    def test_promotions_and_rollbacks_send_messages(
        self, model: RegisteredModel, webhook: Webhook, receiver: Receiver
    ) -> None:
        promotion = promote(version=completed_version(model, number=418), promoted_by=None, reason="better")
        assert isinstance(promotion, Promotion)
        roll_back(model=model, promoted_by=None, reason="worse")
        assert deliver_next()
        assert deliver_next()

        [first, second] = [verified_content(message, webhook)["data"] for message in receiver.messages]
        assert list(first) == list(second) == documented("version.promoted")
        assert first == {
            "organization": "acme",
            "model_id": "mdl-7f3a19bc92",
            "version_id": "ver-001a2",
            "previous_version_id": "ver-001a1",
            "promotion_id": str(promotion.pk),
            "kind": "promotion",
            "overridden": False,
            "promoted_at": f"{promotion.promoted_at:%Y-%m-%dT%H:%M:%SZ}",
            "url": "/api/v1/models/mdl-7f3a19bc92/versions/ver-001a2",
        }
        assert (second["version_id"], second["kind"]) == ("ver-001a1", "rollback")

    def test_a_failed_gate_sends_a_message(
        self, model: RegisteredModel, admin: User, webhook: Webhook, receiver: Receiver
    ) -> None:
        rules = [{"metric": "accuracy", "operator": ">=", "threshold": 0.99}]
        GatePolicy.objects.create(model=model, version=1, document={"dataset_split": "test", "rules": rules})
        candidate = completed_version(model, number=418)
        ada = Caller(admin)
        path = f"/models/{model.pk}/versions/{candidate.version_id}/promote"
        assert refusal(ada.post(path)) == (409, "gate_failed")
        assert deliver_next()

        [message] = receiver.messages
        payload = verified_content(message, webhook)
        verdict = GateVerdict.objects.get()
        assert payload["type"] == "gate.failed"
        assert list(payload["data"]) == documented("gate.failed")
        assert payload["data"] == {
            "organization": "acme",
            "model_id": "mdl-7f3a19bc92",
            "version_id": "ver-001a2",
            "verdict_id": str(verdict.pk),
            "occasion": "promotion",
            "failed": [{name: verdict.document["rules"][0][name] for name in ("metric", "detail")}],
            "judged_at": f"{verdict.judged_at:%Y-%m-%dT%H:%M:%SZ}",
        }
        ada.get(f"/models/{model.pk}/performance/gate?version_id=ver-001a1")  # not enforced
        assert not deliver_next()
        assert ada.post(path, {"override": True, "reason": "it must be"}).status_code == 200
        assert deliver_next()
        assert verified_content(receiver.messages[-1], webhook)["type"] == "version.promoted"
        assert not deliver_next()

    def test_a_transaction_that_is_rolled_back_sends_nothing(self, model: RegisteredModel, webhook: Webhook) -> None:
        with transaction.atomic():
            promote(version=completed_version(model, number=418), promoted_by=None, reason="better")
            assert webhook.deliveries.count() == 1
            transaction.set_rollback(True)

        assert not webhook.deliveries.exists()
        assert not deliver_next()

    def test_a_refused_request_sends_nothing(self, model: RegisteredModel, webhook: Webhook) -> None:
        training = model.versions.create(number=419)
        with pytest.raises(ConflictError):
            promote(version=training, promoted_by=None, reason="too early")

        assert not webhook.deliveries.exists()

    def test_goes_to_those_alone_who_are_active_and_told_of_the_event_and_the_model(
        self, model: RegisteredModel, empty_model: RegisteredModel, outsider: User
    ) -> None:
        acme, globex = model.organization, Organization.objects.get(slug="globex")
        url, events = "https://example.com", ["gate.failed"]
        verified_content = [
            Webhook.objects.create(organization=acme, url=url, events=events),
            Webhook.objects.create(organization=acme, url=url, events=EVENTS, model=model),
        ]
        Webhook.objects.create(organization=acme, url=url, events=["version.promoted"])
        Webhook.objects.create(organization=acme, url=url, events=events, model=empty_model)
        Webhook.objects.create(organization=acme, url=url, events=events, is_active=False)
        Webhook.objects.create(organization=globex, url=url, events=events)
        Webhook.objects.create(organization=globex, url=url, events=events, model=model)
        publish("gate.failed", model, [{}])

        assert {each.webhook for each in WebhookDelivery.objects.all()} == set(verified_content)


class TestTheSignature:
    def test_the_signature_is_of_this_webhooks_secret_and_of_the_whole_body(
        self, delivery: WebhookDelivery, receiver: Receiver
    ) -> None:
        assert deliver_next()
        [message] = receiver.messages
        assert verified_content(message, delivery.webhook)["data"]["version_id"] == "ver-001a1"
        other = Webhook(organization=delivery.webhook.organization, url=receiver.url, events=EVENTS)
        with pytest.raises(WebhookVerificationError):
            verified_content(message, other)
        with pytest.raises(WebhookVerificationError):
            verified_content(Message(message.path, message.headers, message.body + b" "), delivery.webhook)

    def test_the_signature_is_of_the_moment_of_the_attempt_and_the_message_of_the_same_id(
        self, delivery: WebhookDelivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receiver.answers = [status(500)]
        long_ago = timezone.now() - timedelta(hours=3)

        class Clock:
            @staticmethod
            def now(_: Any) -> Any:
                return long_ago

        with monkeypatch.context() as patched:
            patched.setattr(webhook_delivery, "datetime", Clock)
            assert deliver_next()
        come_due(delivery)
        assert deliver_next()

        first, second = receiver.messages
        assert first.headers["webhook-timestamp"] == str(int(long_ago.timestamp()))
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery.message_id
        assert first.body == second.body
        verified_content(second, delivery.webhook)


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
    def test_a_refused_attempt_is_repeated(self, delivery: WebhookDelivery, receiver: Receiver, code: int) -> None:
        receiver.answers = [status(code, b"no\x00t\nnow", Location="http://127.0.0.1:1/")]
        assert deliver_next()
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

    def test_at_a_host_of_the_internet_is_told_with_what_came(
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

    def test_at_a_trusted_private_host_is_told_by_its_status_alone(
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


def test_a_message_that_was_lost_to_another_worker_is_told_in_the_log_and_frees_nothing(
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


def test_a_secret_is_random_and_in_the_form_of_standard_webhooks(acme: Organization) -> None:
    secrets = {Webhook(organization=acme).secret for _ in range(10)}

    assert len(secrets) == 10
    for secret in secrets:
        assert secret.startswith("whsec_")
        Verifier(secret)


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


def test_a_worker_runs_as_many_evaluations_at_once_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
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
