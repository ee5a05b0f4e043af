"""Webhooks in the admin: creating them, the secret that is shown once, and the messages."""

from typing import Any

import pytest
from django.test import Client

from models_registry.accounts.models import Organization, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.admin_pages import add_url, list_url, page_url, rows, text_of


@pytest.fixture
def form(acme: Organization) -> dict[str, Any]:
    """The values of the form."""
    return {
        "organization": acme.pk,
        "url": "https://example.com/hook",
        "events": ["version.promoted", "gate.failed"],
        "is_active": "on",
    }


@pytest.fixture
def webhook(acme: Organization) -> Webhook:
    return Webhook.objects.create(organization=acme, url="https://example.com/hook", events=["gate.failed"])


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return text_of(answer.content.decode())


def test_a_new_webhook_has_a_secret_of_the_servers_that_is_shown_once(root: Client, form: dict[str, Any]) -> None:
    sent = root.post(add_url(Webhook), form)
    cookies = sent.cookies.output()
    answer = root.get(sent["Location"])

    webhook = Webhook.objects.get()
    assert "messages" not in cookies
    assert webhook.secret.removeprefix("whsec_") not in cookies
    assert (webhook.created_by and webhook.created_by.username, webhook.events) == ("root", form["events"])
    assert webhook.secret in text(answer)
    for page in (list_url(Webhook), page_url(webhook)):
        assert webhook.secret.removeprefix("whsec_") not in root.get(page).content.decode()


def test_a_change_keeps_the_secret_and_leaves_one_row_in_the_audit_trail(
    root: Client, form: dict[str, Any], webhook: Webhook
) -> None:
    before = AuditEntry.objects.count()
    globex = Organization.objects.create(slug="globex", name="Globex")
    root.post(page_url(webhook), form | {"events": ["snapshot.created"], "organization": globex.pk})

    changed = Webhook.objects.get()
    assert (changed.events, changed.secret) == (["snapshot.created"], webhook.secret)
    assert changed.organization == webhook.organization
    assert AuditEntry.objects.count() == before + 2  # with that of Globex


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"url": "http://example.com"}, "must begin with https://"),
        ({"url": "https://10.0.0.1"}, "of the public internet"),
        ({"url": "https://u:p@example.com"}, "no user name or password"),
        ({"events": []}, "required"),
        ({"events": ["webhook.test"]}, "not one of the available choices"),
    ],
)
def test_a_webhook_that_is_not_valid_is_refused(root: Client, form: dict[str, Any], change: Any, told: str) -> None:
    assert told in text(root.post(add_url(Webhook), form | change))
    assert not Webhook.objects.exists()


def test_a_model_of_another_organization_is_refused(root: Client, form: dict[str, Any], outsider: User) -> None:
    theirs = RegisteredModel.objects.create(
        organization=outsider.organizations.get(), name="theirs", task_type="ranking"
    )
    assert "a model of the organization" in text(root.post(add_url(Webhook), form | {"model": theirs.pk}))
    assert not Webhook.objects.exists()


def test_deliveries_show_what_became_of_them_as_text_and_cannot_be_changed(root: Client, webhook: Webhook) -> None:
    delivery = WebhookDelivery.objects.create(
        webhook=webhook,
        event="gate.failed",
        payload='{"type": "gate.failed"}',
        attempts=2,
        last_status=503,
        last_answer="<script>alert(1)</script>",
        last_error="The receiver answered 503.",
    )

    [row] = rows(root.get(list_url(WebhookDelivery)))
    assert "gate.failed" in row
    assert "503" in row
    page = root.get(page_url(delivery)).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert root.post(page_url(delivery), {"state": "succeeded"}).status_code == 403
    assert root.get(add_url(WebhookDelivery)).status_code == 403
