"""`Idempotency-Key`: a POST that is repeated does its work once and gets the same answer."""

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.urls import resolve
from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.api.models import IdempotencyKey
from models_registry.registry.models import RegisteredModel, Version
from models_registry.tokens.models import TokenFamily
from models_registry.tokens.services import create_service_account, open_token_family
from tests.api import Caller, faults, refusal
from tests.config.test_routes import routes
from tests.factories import completed_version, new_user
from tests.operations import NEW_TOKEN

pytestmark = pytest.mark.django_db
MODEL = "/models/mdl-7f3a19bc92"
VERSIONS = f"{MODEL}/versions"

# Of every POST of the registry: a body that does something, and what makes another of it.
POSTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "/organizations": ({"slug": "initech", "name": "Initech"}, {"name": "Intertrode"}),
    "/organizations/acme/members": ({"username": "nora", "role": "viewer"}, {"role": "editor"}),
    "/organizations/acme/datasets": ({"name": "churn-2026-10"}, {"description": "October"}),
    "/organizations/acme/webhooks": (
        {"url": "https://example.com/hook", "events": ["version.promoted"]},
        {"events": ["gate.failed"]},
    ),
    "/organizations/acme/service-accounts": ({"name": "nightly", "role": "editor"}, {"role": "viewer"}),
    "/organizations/acme/service-accounts/acme.ci/tokens": (NEW_TOKEN, {"lifetime_days": 91}),
    "/auth/personal-tokens": (NEW_TOKEN, {"scopes": ["model:write"]}),
    "/models": ({"organization": "acme", "name": "fraud", "task_type": "ranking"}, {"name": "spam"}),
    f"{MODEL}/grants": ({"username": "nora", "scope": "model:read"}, {"scope": "model:write"}),
    f"{MODEL}/badges": ({"metric": "accuracy", "lifetime_days": 90}, {"lifetime_days": 91}),
    f"{MODEL}/rollback": ({"reason": "it drifts"}, {"reason": ""}),
    f"{MODEL}/performance/gate": (
        {"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.93}]},
        {"dataset_split": "train"},
    ),
    VERSIONS: ({"description": "nightly"}, {"tags": []}),
    f"{VERSIONS}/ver-001a2/promote": ({"reason": "better"}, {"override": True}),
    f"{VERSIONS}/ver-001a2/snapshots": (
        {"dataset_split": "test", "metrics": {"accuracy": 0.5}},
        {"metrics": {"accuracy": 0.5000000000000001}},
    ),
    f"{VERSIONS}/ver-001a2/snapshots:batch": (
        {"snapshots": [{"dataset_split": "test", "metrics": {"accuracy": 0.5}}]},
        {"snapshots": [{"dataset_split": "train", "metrics": {"accuracy": 0.5}}]},
    ),
}


@pytest.fixture
def root(superuser: User, model: RegisteredModel) -> Caller:
    """Root, where there is something to promote, to roll back and to grant."""
    root = Caller(superuser)
    completed_version(model, number=418)
    new_user("nora")
    root.post(f"{VERSIONS}/ver-001a2/promote")
    create_service_account(owner=model.organization, username="acme.ci")
    return root


def rows() -> dict[str, int]:
    """Return how many rows each table of the registry has, but that of the keys."""
    models = [*apps.get_app_config("models_registry").get_models(), *apps.get_app_config("performance").get_models()]
    return {model.__name__: model._default_manager.count() for model in models if model is not IdempotencyKey}


@pytest.mark.parametrize("path", POSTS)
def test_the_same_request_does_its_work_once_and_gets_the_same_answer(root: Caller, path: str) -> None:
    first = root.post(path, POSTS[path][0], Idempotency_Key="job-1")
    assert first.status_code in (200, 201), first.content
    assert "Idempotency-Replayed" not in first
    after = rows()

    again = root.post(path, POSTS[path][0], Idempotency_Key="job-1")

    assert again["Idempotency-Replayed"] == "true"
    assert again.status_code == first.status_code
    if shown_once := first.json().keys() & {"secret", "token"}:
        assert again.json() == first.json() | dict.fromkeys(shown_once)
    else:
        assert again.content == first.content
    for header in ("Location", "ETag", "Content-Type"):
        assert again.get(header) == first.get(header)
    assert rows() == after


@pytest.mark.parametrize("path", POSTS)
def test_another_body_under_the_key_is_refused(root: Caller, path: str) -> None:
    body, change = POSTS[path]
    root.post(path, body, Idempotency_Key="job-1")
    after = rows()

    assert refusal(root.post(path, body | change, Idempotency_Key="job-1")) == (422, "idempotency_mismatch")
    assert rows() == after


def test_every_post_of_the_registry_is_tested() -> None:
    def form(path: str) -> str:
        return resolve(f"/api/v1{path}").route

    taking = {route for route, view in routes() if "post" in getattr(view, "actions", {})}
    uploads = {
        "api/v1/models/<str:model_id>/versions/<str:version_id>/evaluations",
        "api/v1/organizations/<str:slug>/imports",
    }
    without_body = {"api/v1/organizations/<str:slug>/webhooks/<str:webhook_id>/test"}
    assert {form(path) for path in POSTS} | uploads | without_body == taking


def test_equivalent_json_bodies_are_the_same_request(root: Caller) -> None:
    path = f"/api/v1{VERSIONS}"
    key = {"Idempotency-Key": "job-1"}
    root.client.generic("POST", path, '{"description": "a", "tags": []}', "application/json", headers=key)

    again = root.client.generic(
        "POST", path, '{ "tags": [], "description": "\\u0061" }', "application/json", headers=key
    )

    assert again["Idempotency-Replayed"] == "true"


def test_a_key_is_of_one_user_and_one_route(root: Caller, editor: User) -> None:
    answers = [
        root.post(VERSIONS, Idempotency_Key="job-1"),
        Caller(editor).post(VERSIONS, Idempotency_Key="job-1"),
        root.post(f"{MODEL}/rollback", Idempotency_Key="job-1"),
    ]

    assert [(answer.status_code, "Idempotency-Replayed" in answer) for answer in answers] == [
        (201, False),
        (201, False),
        (200, False),
    ]


def test_a_refusal_is_not_stored_so_a_corrected_request_works(root: Caller, model: RegisteredModel) -> None:
    path = f"{VERSIONS}/ver-001a3/promote"
    root.post(VERSIONS)
    assert refusal(root.post(path, Idempotency_Key="job-1")) == (409, "conflict")
    root.patch(f"{VERSIONS}/ver-001a3", {"state": "completed"})

    answer = root.post(path, Idempotency_Key="job-1")

    assert (answer.status_code, "Idempotency-Replayed" in answer) == (200, False)


def test_a_replay_needs_the_right_to_the_operation(root: Caller, editor: User) -> None:
    ed = Caller(editor)
    ed.post(VERSIONS, Idempotency_Key="job-1")
    root.delete("/organizations/acme/members/ed")

    assert refusal(ed.post(VERSIONS, Idempotency_Key="job-1")) == (403, "permission_denied")


def test_a_response_is_replayed_even_if_the_user_that_it_names_is_deactivated(root: Caller) -> None:
    body = {"username": "nora", "scope": "model:read"}
    first = root.post(f"{MODEL}/grants", body, Idempotency_Key="job-1")
    User.objects.filter(username="nora").update(is_active=False)

    again = root.post(f"{MODEL}/grants", body, Idempotency_Key="job-1")

    assert (again.status_code, again.content) == (201, first.content)


def test_a_key_expires_after_a_day(root: Caller) -> None:
    root.post(VERSIONS, Idempotency_Key="job-1")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))

    answer = root.post(VERSIONS, {"description": "another"}, Idempotency_Key="job-1")

    assert (answer.status_code, "Idempotency-Replayed" in answer) == (201, False)
    assert root.post(VERSIONS, {"description": "another"}, Idempotency_Key="job-1")["Idempotency-Replayed"] == "true"


def test_a_key_is_valid_until_a_day_has_passed(root: Caller) -> None:
    root.post(VERSIONS, Idempotency_Key="job-1")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))

    assert root.post(VERSIONS, Idempotency_Key="job-1")["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("path", POSTS)
def test_a_malformed_key_is_refused(root: Caller, path: str) -> None:
    before = rows()
    for key in ("", "x" * 256, "ключ", "a\tb", "\x7f"):
        assert faults(root.post(path, POSTS[path][0], Idempotency_Key=key)) == [("Idempotency-Key", "invalid")], key

    assert rows() == before


@pytest.mark.parametrize("key", ["x", " ", "x" * 255, '"quoted"', "'; DROP TABLE x; --", "0123-4567"])
def test_any_printable_ascii_key_is_accepted(root: Caller, key: str) -> None:
    root.post(VERSIONS, Idempotency_Key=key)

    assert root.post(VERSIONS, Idempotency_Key=key)["Idempotency-Replayed"] == "true"
    assert Version.objects.count() == 3


def test_no_secret_is_stored(root: Caller) -> None:
    credentials = {"username": "root", "password": "correct horse battery staple"}

    assert Caller().post("/auth/token", credentials, Idempotency_Key="job-1").status_code == 200
    assert not IdempotencyKey.objects.exists()


class TestPurge:
    def test_the_purge_deletes_keys_after_a_day_and_logins_after_their_end(
        self, root: Caller, superuser: User, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("old", "new"):
            root.post(VERSIONS, Idempotency_Key=name)
        IdempotencyKey.objects.filter(key="old").update(created_at=timezone.now() - timedelta(hours=25))
        ended = open_token_family(user=superuser, scope=ALL_SCOPES)
        TokenFamily.objects.filter(pk=ended["sid"]).update(expires_at=timezone.now() - timedelta(seconds=1))
        logins = TokenFamily.objects.count()

        call_command("purge")

        assert [each.key for each in IdempotencyKey.objects.all()] == ["new"]
        assert TokenFamily.objects.count() == logins - 1
        assert not TokenFamily.objects.filter(pk=ended["sid"]).exists()
        assert capsys.readouterr().out.splitlines()[:2] == ["Deleted 1 idempotency keys.", "Deleted 1 logins."]
        assert root.post(VERSIONS, Idempotency_Key="new")["Idempotency-Replayed"] == "true"

    def test_a_second_purge_deletes_nothing(self, root: Caller) -> None:
        root.post(VERSIONS, Idempotency_Key="new")
        before = rows()

        call_command("purge")
        call_command("purge")

        assert rows() == before
        assert IdempotencyKey.objects.count() == 1
