"""Messages to webhooks: which events send them, their content and their signature."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from models_registry.accounts.models import Organization, User
from models_registry.api.errors import ConflictError
from models_registry.registry.models import Promotion, RegisteredModel
from models_registry.registry.promotions import promote, roll_back
from performance.gates.models import GatePolicy, GateVerdict
from performance.snapshots.services import check_report, report_snapshot
from performance.webhooks import delivery as webhook_delivery
from performance.webhooks.delivery import deliver_next
from performance.webhooks.events import EVENTS as DECLARED
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import publish
from tests.api import Caller, refusal
from tests.factories import completed_version
from tests.performance.webhooks.deliveries import EVENTS, come_due
from tests.receiver import Message, Receiver, status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_loopback_is_trusted")]


def verified_content(message: Message, webhook: Webhook) -> Any:
    """Verify a message's signature as a receiver does, and return its content."""
    return Verifier(webhook.secret).verify(message.body, message.headers)


def documented(name: str) -> list[str]:
    """Return the members of an event's data that its declaration, and so the documentation, names."""
    return ["organization", "model_id", *next(event.data for event in DECLARED if event.name == name)]


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

    def test_goes_only_to_active_webhooks_that_subscribe_to_the_event_and_the_model(
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


def test_a_secret_is_random_and_in_the_form_of_standard_webhooks(acme: Organization) -> None:
    secrets = {Webhook(organization=acme).secret for _ in range(10)}

    assert len(secrets) == 10
    for secret in secrets:
        assert secret.startswith("whsec_")
        Verifier(secret)
