"""Webhooks over HTTP: creating and changing them, the secret that is shown once, and the messages."""

import logging
import re
from typing import Any

import pytest
from django.db.models import Model
from standardwebhooks import Webhook as Verifier

from models_registry.accounts.models import User
from models_registry.api.models import IdempotencyKey
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from performance.webhooks.delivery import deliver_next
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import MAX_WEBHOOKS, publish
from tests.api import Caller, faults, refusal
from tests.models_registry.api.hosts import HOSTILE_URLS
from tests.receiver import Receiver, status

pytestmark = pytest.mark.django_db
WEBHOOKS = "/organizations/acme/webhooks"
BODY: dict[str, Any] = {"url": "https://example.com/hook", "events": ["version.promoted", "gate.failed"]}


@pytest.fixture
def ada(admin: User) -> Caller:
    return Caller(admin)


@pytest.fixture
def path(ada: Caller) -> str:
    """The path of a webhook."""
    return str(ada.post(WEBHOOKS, BODY)["Location"])


class TestCreating:
    def test_a_created_webhook_has_its_secret_in_the_answer(self, ada: Caller, model: RegisteredModel) -> None:
        answer = ada.post(WEBHOOKS, BODY | {"model_id": model.pk})

        assert answer.status_code == 201
        body = answer.json()
        Verifier(body.pop("secret"))
        assert answer["Location"] == f"/api/v1{WEBHOOKS}/{body['id']}"
        assert list(body.items()) == [
            ("id", body["id"]),
            ("organization", "acme"),
            ("model_id", model.pk),
            ("url", "https://example.com/hook"),
            ("events", ["version.promoted", "gate.failed"]),
            ("is_active", True),
            ("consecutive_failures", 0),
            ("paused_until", None),
            ("created_by", "ada"),
            ("created_at", body["created_at"]),
        ]
        read = ada.get(answer["Location"])
        assert read.json() == body
        assert read["ETag"] == answer["ETag"]

    @pytest.mark.parametrize("url", HOSTILE_URLS)
    def test_creating_with_a_hostile_url_is_refused_and_stores_nothing(self, ada: Caller, url: str) -> None:
        answer = ada.post(WEBHOOKS, BODY | {"url": url})

        assert refusal(answer) == (400, "invalid_body")
        if not re.search("[\x00\ud800-\udfff]", url):  # which no text of any body may hold
            assert {field for field, _ in faults(answer)} == {"url"}
        assert not Webhook.objects.exists()

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"url": 7}, "url"),
            ({"url": None}, "url"),
            ({"events": []}, "events"),
            ({"events": ["gate.failed", "gate.failed"]}, "events"),
            ({"events": "gate.failed"}, "events"),
            ({"events": {"gate.failed": 1}}, "events"),
            ({"events": ["webhook.test"]}, "events.0"),
            ({"events": [["gate.failed"]]}, "events.0"),
            ({"events": ["gate.failed"] * 50_000}, "events"),
            ({"model_id": "mdl-0000000000"}, "model_id"),
            ({"model_id": "x" * 100_000}, "model_id"),
            ({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "secret"),
            ({"is_active": False}, "is_active"),
            ({"organization": "globex"}, "organization"),
        ],
    )
    def test_creating_with_an_invalid_value_names_the_field(
        self, ada: Caller, change: dict[str, Any], field: str
    ) -> None:
        assert field in [name for name, _ in faults(ada.post(WEBHOOKS, BODY | change))]
        assert not Webhook.objects.exists()

    def test_creating_for_a_model_of_another_organization_is_refused_as_for_a_missing_one(
        self, ada: Caller, outsider: User
    ) -> None:
        theirs = RegisteredModel.objects.create(
            organization=outsider.organizations.get(), name="theirs", task_type="ranking"
        )

        [refused, unknown] = [
            ada.post(WEBHOOKS, BODY | {"model_id": model_id}) for model_id in (theirs.pk, "mdl-0000000000")
        ]
        assert faults(refused) == faults(unknown) == [("model_id", "does_not_exist")]

    def test_the_number_of_webhooks_is_limited(self, ada: Caller) -> None:
        for _ in range(MAX_WEBHOOKS):
            assert ada.post(WEBHOOKS, BODY).status_code == 201
        assert refusal(ada.post(WEBHOOKS, BODY)) == (409, "conflict")


class TestTheSecret:
    @pytest.mark.usefixtures("_loopback_is_trusted")
    def test_the_secret_is_in_no_other_answer_nor_in_the_audit_trail_or_the_log(
        self, ada: Caller, caplog: pytest.LogCaptureFixture, receiver: Receiver
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            created = ada.post(WEBHOOKS, BODY | {"url": receiver.url})
            path, secret = created["Location"], created.json()["secret"]
            changed = ada.patch(path, {"events": ["gate.failed"]})
            ada.post(f"{path}/test")
            deliver_next()
            others = [changed, ada.get(path), ada.get(WEBHOOKS), ada.get(f"{path}/deliveries")]
        key = secret.removeprefix("whsec_")

        assert len(receiver.messages) == 1
        assert all(key not in answer.content.decode() for answer in others)
        assert key not in caplog.text
        assert all(key not in str(entry.changes) for entry in AuditEntry.objects.all())
        assert any("secret" in (entry.changes or {}) for entry in AuditEntry.objects.all())

    def test_the_secret_does_not_come_again_when_the_same_request_is_repeated_and_is_not_kept_for_that(
        self, ada: Caller
    ) -> None:
        first, again = [ada.post(WEBHOOKS, BODY, Idempotency_Key="job-1") for _ in range(2)]

        assert again["Idempotency-Replayed"] == "true"
        assert again.json() == first.json() | {"secret": None}
        assert Webhook.objects.get().secret == first.json()["secret"]
        assert first.json()["secret"] not in IdempotencyKey.objects.get().body


class TestChanging:
    def test_a_change_sets_url_events_and_state(self, ada: Caller, path: str) -> None:
        change = {"url": "https://example.org/", "events": ["snapshot.created"], "is_active": False}
        answer = ada.patch(path, change)

        assert answer.status_code == 200
        assert answer.json().items() >= change.items()
        assert ada.get(path).json() == answer.json()

    @pytest.mark.parametrize("url", ["http://example.com", "https://127.0.0.1", "https://10.0.0.1:8080/", ""])
    def test_a_change_to_a_hostile_url_is_refused(self, ada: Caller, path: str, url: str) -> None:
        assert [field for field, _ in faults(ada.patch(path, {"url": url}))] == ["url"]
        assert ada.get(path).json()["url"] == BODY["url"]

    def test_a_change_of_an_outdated_state_is_refused(self, ada: Caller, path: str) -> None:
        etag = ada.get(path)["ETag"]
        assert ada.patch(path, {"is_active": False}, If_Match=etag).status_code == 200
        assert refusal(ada.patch(path, {"is_active": True}, If_Match=etag)) == (412, "precondition_failed")

    @pytest.mark.usefixtures("_loopback_is_trusted")
    def test_a_deleted_webhook_sends_nothing_more(self, ada: Caller, path: str, receiver: Receiver) -> None:
        ada.patch(path, {"url": receiver.url})
        ada.post(f"{path}/test")
        assert ada.delete(path).status_code == 204

        assert refusal(ada.get(path)) == (404, "not_found")
        assert not deliver_next()
        assert not receiver.messages


class TestOfAnotherOrganization:
    @pytest.mark.parametrize("end", ["", "/deliveries"])
    def test_a_webhook_of_another_organization_is_not_found(
        self, ada: Caller, path: str, superuser: User, outsider: User, end: str
    ) -> None:
        foreign = path.replace("acme", "globex")
        assert refusal(Caller(superuser).get(f"{foreign}{end}")) == (404, "not_found")
        assert refusal(Caller(outsider).get(f"{foreign}{end}")) == (404, "not_found")
        assert refusal(Caller(outsider).get(f"{path}{end}")) == (403, "permission_denied")

    @pytest.mark.parametrize("name", ["0", "-1", "x", "1e3", "٣", "9" * 30, "1.0", "%00"])
    def test_a_webhook_with_a_made_up_id_is_not_found(self, ada: Caller, name: str) -> None:
        for end in ("", "/deliveries"):
            assert refusal(ada.get(f"{WEBHOOKS}/{name}{end}")) == (404, "not_found")
        assert refusal(ada.post(f"{WEBHOOKS}/{name}/test")) == (404, "not_found")


class TestTestMessages:
    @pytest.mark.usefixtures("_loopback_is_trusted")
    def test_a_test_sends_a_message_of_its_own_type(self, ada: Caller, receiver: Receiver) -> None:
        created = ada.post(WEBHOOKS, BODY | {"url": receiver.url})
        answer = ada.post(f"{created['Location']}/test")
        assert answer.status_code == 202
        assert answer.json()["state"] == "queued"
        assert deliver_next()

        [message] = receiver.messages
        payload = Verifier(created.json()["secret"]).verify(message.body, message.headers)
        assert payload["type"] == "webhook.test"
        assert payload["data"] == {"organization": "acme", "webhook_id": created.json()["id"]}
        assert message.headers["webhook-id"] == answer.json()["message_id"]

    def test_two_tests_under_one_idempotency_key_send_one_message(self, ada: Caller, path: str) -> None:
        first, again = [ada.post(f"{path}/test", Idempotency_Key="job-1") for _ in range(2)]

        assert again["Idempotency-Replayed"] == "true"
        assert again.content == first.content
        assert WebhookDelivery.objects.count() == 1
        assert IdempotencyKey.objects.count() == 1

    def test_a_test_of_an_inactive_webhook_is_refused(self, ada: Caller, path: str) -> None:
        ada.patch(path, {"is_active": False})
        assert refusal(ada.post(f"{path}/test")) == (409, "conflict")

    def test_a_test_takes_no_options(self, ada: Caller, path: str) -> None:
        assert faults(ada.post(f"{path}/test", {"event": "gate.failed"})) == [("event", "unknown_field")]


class TestDeliveries:
    @pytest.mark.usefixtures("_loopback_is_trusted")
    def test_deliveries_are_listed_newest_first_with_what_became_of_each(
        self, ada: Caller, model: RegisteredModel, receiver: Receiver
    ) -> None:
        path = ada.post(WEBHOOKS, BODY | {"url": receiver.url})["Location"]
        publish("gate.failed", model, [{}])
        publish("version.promoted", model, [{}])
        receiver.answers = [status(503, b"later")]
        deliver_next()

        newest, oldest = ada.get(f"{path}/deliveries").json()["results"]
        assert (newest["event"], newest["state"], newest["attempts"]) == ("version.promoted", "queued", 0)
        assert list(oldest) == [
            *("message_id", "event", "state", "attempts", "last_status", "last_answer", "last_error"),
            *("created_at", "next_attempt_at", "finished_at"),
        ]
        assert (oldest["event"], oldest["state"], oldest["attempts"]) == ("gate.failed", "queued", 1)
        assert (oldest["last_status"], oldest["last_answer"]) == (503, "")
        assert "503" in oldest["last_error"]
        assert oldest["next_attempt_at"]

    def test_deliveries_come_in_pages(self, model: RegisteredModel, ada: Caller, path: str) -> None:
        for _ in range(3):
            publish("gate.failed", model, [{}])
        first = ada.get(f"{path}/deliveries", {"page_size": 2}).json()
        second = ada.client.get(first["next"]).json()

        ids = [row["message_id"] for page in (first, second) for row in page["results"]]
        assert len(set(ids)) == 3
        assert second["next"] is None


def test_the_audit_trail_tells_where_a_url_leads_and_not_what_else_it_holds(ada: Caller) -> None:
    path = ada.post(WEBHOOKS, BODY | {"url": "https://hooks.example.com:443/T0/s3cret?key=s3cret"})["Location"]
    ada.patch(path, {"url": "https://hooks.example.com?key=s3cret"})
    ada.patch(path, {"url": "https://hooks.example.org/s3cret"})

    rows = AuditEntry.objects.get_for_object(Webhook.objects.get()).order_by("pk")
    assert [row.changes["url"][1] for row in rows] == [
        "https://hooks.example.com:443/***",
        "https://hooks.example.com/***",
        "https://hooks.example.org/***",
    ]
    assert all("s3cret" not in str(entry.changes) for entry in AuditEntry.objects.all())


def test_a_webhook_and_each_change_of_it_leave_one_row_in_the_audit_trail(ada: Caller, path: str) -> None:
    def trail() -> list[Any]:
        webhook: Model = Webhook.objects.get()
        rows = AuditEntry.objects.get_for_object(webhook).order_by("pk")
        return [(row.actor_name, row.get_action_display()) for row in rows]

    ada.patch(path, {"is_active": False})
    ada.patch(path, {"is_active": True})
    ada.post(f"{path}/test")

    assert trail() == [("ada", "create"), *[("ada", "update")] * 3]
