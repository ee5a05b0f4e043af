"""The audit trail: who did what from where, and who was denied."""

import pytest
from django.db import Error, connection, transaction
from django.test import Client

from models_registry.accounts.models import Organization, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from tests.conftest import authenticated
from tests.factories import PASSWORD, completed_version

REQUEST = {"X-Request-ID": "release-42"}


def trail(**conditions: object) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(**conditions).order_by("pk"))


def test_a_write_over_http_leaves_one_row_with_who_what_and_from_where(editor: User, model: RegisteredModel) -> None:
    client = authenticated(editor)
    before = AuditEntry.objects.count()

    path = f"/api/v1/models/{model.pk}"
    client.patch(path, {"description": "better"}, content_type="application/json", headers=REQUEST)

    assert AuditEntry.objects.count() == before + 1
    entry = trail(cid="release-42")[0]
    assert (entry.actor, entry.actor_name, entry.remote_addr) == (editor, "ed", "127.0.0.1")
    assert (entry.method, entry.path, entry.object_pk) == ("PATCH", path, model.pk)
    assert entry.get_action_display() == "update"
    assert entry.changes == {"description": ["", "better"]}


def test_a_promotion_leaves_one_row_with_what_was_promoted_before(admin: User, model: RegisteredModel) -> None:
    completed_version(model, number=418)

    path = f"/api/v1/models/{model.pk}/versions/ver-001a2/promote"
    authenticated(admin).post(path, {"reason": "better"}, content_type="application/json", headers=REQUEST)

    [entry] = trail(path=path)
    assert (entry.actor_name, entry.content_type and entry.content_type.model) == ("ada", "promotion")
    recorded = {name: entry.changes[name] for name in ("version", "previous_version", "reason")}
    versions = {each.number: each.pk for each in model.versions.all()}
    assert recorded == {
        "version": [None, versions[418]],
        "previous_version": [None, versions[417]],
        "reason": [None, "better"],
    }


def test_a_refused_write_leaves_no_row(editor: User, model: RegisteredModel) -> None:
    client = authenticated(editor)
    before = AuditEntry.objects.count()

    path = f"/api/v1/models/{model.pk}/versions/ver-001a1/snapshots"
    refused = client.post(path, {"dataset_split": "test", "metrics": {"accuracy": 2}}, content_type="application/json")

    assert refused.status_code == 400
    assert AuditEntry.objects.count() == before


def test_a_rolled_back_write_leaves_no_row(acme: Organization) -> None:
    before = AuditEntry.objects.count()

    with transaction.atomic():
        Organization.objects.create(slug="initech", name="Initech")
        transaction.set_rollback(True)

    assert AuditEntry.objects.count() == before


def test_a_login_names_who_logged_in(viewer: User) -> None:
    body = {"username": "vera", "password": PASSWORD}
    Client().post("/api/v1/auth/token", body, content_type="application/json", headers=REQUEST)

    entry = trail(cid="release-42")[0]
    assert (entry.actor_name, entry.get_action_display(), entry.path) == ("vera", "create", "/api/v1/auth/token")


def test_a_denial_leaves_a_row(outsider: User, model: RegisteredModel) -> None:
    path = f"/api/v1/models/{model.pk}/performance/summary"

    authenticated(outsider).get(path, {"dataset_split": "train"}, headers=REQUEST)
    Client().get(path, headers=REQUEST)

    denied = [(each.actor_name, each.code, each.path) for each in trail(cid="release-42", action=AuditEntry.DENIED)]
    assert denied == [("otto", "permission_denied", path), ("", "not_authenticated", path)]


def test_a_failed_login_in_the_admin_leaves_a_row(superuser: User) -> None:
    Client().post("/admin/login/", {"username": "root", "password": "wrong"}, headers=REQUEST)

    assert [each.code for each in trail(cid="release-42", action=AuditEntry.DENIED)] == ["not_authenticated"]


def test_a_password_is_masked(superuser: User) -> None:
    client = Client()
    client.force_login(superuser)

    superuser.set_password("another secret")
    superuser.save()

    assert trail(object_pk=str(superuser.pk))[-1].changes == {"password": ["***", "***"]}


@pytest.mark.parametrize("statement", ["UPDATE {} SET code = 'x'", "DELETE FROM {}"])
def test_the_database_refuses_to_change_the_audit_trail(db: None, statement: str) -> None:
    Organization.objects.create(slug="acme", name="Acme")

    with pytest.raises(Error, match="audit trail never changes"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format("models_registry_auditentry"))


def test_the_admin_shows_the_audit_trail_read_only(superuser: User, model: RegisteredModel) -> None:
    client = Client()
    client.force_login(superuser)
    model.description = "Will they leave?"
    model.save()
    entry = trail(object_pk=model.pk)[0]

    assert model.name in client.get("/admin/models_registry/auditentry/").content.decode()
    page = client.get(f"/admin/models_registry/auditentry/{entry.pk}/change/").content.decode()
    assert "Before" in page
    assert client.post(f"/admin/models_registry/auditentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert AuditEntry.objects.filter(pk=entry.pk).exists()


def test_a_csrf_failure_leaves_a_row(superuser: User) -> None:
    client = Client(enforce_csrf_checks=True)

    answer = client.post("/admin/login/", {"username": "root", "password": PASSWORD}, headers=REQUEST)

    assert answer.status_code == 403
    assert "permission_denied" in [each.code for each in trail(path="/admin/login/", action=AuditEntry.DENIED)]
