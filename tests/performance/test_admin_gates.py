"""Policies of gates in the admin: added with the same validation as over HTTP, never changed."""

import json
from typing import Any

import pytest
from django.test import Client

from models_registry.models import AuditEntry, Organization, RegisteredModel, User
from performance.models import GatePolicy, GateVerdict
from tests.admin_pages import add_url, list_url, logged_in, page_url, rows, text_of

GOOD = {"dataset_split": "test", "rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.93}]}


@pytest.fixture
def root(superuser: User) -> Client:
    return logged_in(superuser)


def add(client: Client, document: Any, **owner: Any) -> Any:
    text = document if isinstance(document, str) else json.dumps(document)
    return client.post(add_url(GatePolicy), {"model": "", "organization": "", "document": text, **owner})


def fault(client: Client, document: Any, **owner: Any) -> str:
    answer = add(client, document, **owner)
    assert answer.status_code == 200
    assert not GatePolicy.objects.exists()
    return text_of(answer.content.decode())


def test_a_policy_of_a_model_is_added_as_its_next_version(root: Client, model: RegisteredModel) -> None:
    for _ in range(2):
        assert add(root, GOOD, model=model.pk).status_code == 302

    newest = GatePolicy.objects.in_force()
    assert (newest.model, newest.version, newest.document, newest.created_by) == (model, 2, GOOD, "root")
    assert AuditEntry.objects.filter(content_type__model="gatepolicy").count() == 2
    assert [row.split()[-4:] for row in rows(root.get(list_url(GatePolicy)))] == [
        ["churn", "2", "1", "root"],
        ["churn", "1", "1", "root"],
    ]


def test_a_policy_of_an_organization_is_added_and_withdrawn(root: Client, acme: Organization) -> None:
    assert add(root, GOOD, organization=acme.pk).status_code == 302
    assert add(root, "", organization=acme.pk).status_code == 302

    assert GatePolicy.objects.filter(organization=acme).count() == 2
    assert GatePolicy.objects.filter(organization=acme).in_force() is None
    assert "withdrawn" in rows(root.get(list_url(GatePolicy)))[0]


def test_what_the_api_refuses_is_refused_with_the_rule(root: Client, model: RegisteredModel) -> None:
    unknown = {"rules": [{"metric": "accuracyy", "operator": ">=", "threshold": 0.93}]}

    assert "rules.0.metric: There is no 'accuracyy' of classification" in fault(root, unknown, model=model.pk)
    assert "rules: Must be a list of at least one rule." in fault(root, {"rules": []}, model=model.pk)
    assert "Must be an object with `rules`." in fault(root, [], model=model.pk)
    assert "This is not a JSON document" in fault(root, "{", model=model.pk)


def test_a_policy_is_of_a_model_or_of_an_organization(root: Client, model: RegisteredModel, acme: Organization) -> None:
    assert "Choose a model, or an organization." in fault(root, GOOD)
    assert "Choose a model, or an organization." in fault(root, GOOD, model=model.pk, organization=acme.pk)


def test_an_archived_model_takes_none(root: Client, model: RegisteredModel) -> None:
    model.archived_at = model.created_at
    model.save()

    assert "is archived" in fault(root, GOOD, model=model.pk)


def test_a_stored_policy_is_only_looked_at(root: Client, model: RegisteredModel) -> None:
    add(root, GOOD, model=model.pk)
    page = page_url(GatePolicy.objects.get())

    assert "accuracy" in root.get(page).content.decode()
    assert root.post(page, {"document": "{}"}).status_code == 403
    assert root.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 403
    assert GatePolicy.objects.get().document == GOOD


def test_verdicts_are_listed_and_only_looked_at(root: Client, model: RegisteredModel) -> None:
    document = {"rules": [{"detail": "accuracy is 0.91; at least 0.93 is asked."}]}
    verdict = GateVerdict.objects.create(
        model=model, version=model.versions.get(), occasion="promotion", status="failed", document=document
    )

    [row] = rows(root.get(list_url(GateVerdict), {"q": "ver-001a1 churn"}))
    assert "churn ver-001a1 failed Promotion" in row
    assert "accuracy is 0.91" in root.get(page_url(verdict)).content.decode()
    assert root.post(page_url(verdict), {"status": "passed"}).status_code == 403
