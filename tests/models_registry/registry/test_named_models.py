"""`PUT /api/v1/organizations/{slug}/models/{name}`, and names that are taken."""

from functools import partial
from urllib.parse import quote

import pytest

from models_registry.accounts.models import Organization, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from tests.api import Caller, faults, refusal
from tests.concurrency.together import ask, together
from tests.conftest import authenticated

pytestmark = pytest.mark.django_db
MODELS = "/organizations/acme/models"
RANKING = {"task_type": "ranking"}


@pytest.fixture
def ed(editor: User) -> Caller:
    return Caller(editor)


@pytest.mark.parametrize("name", ["fraud", "teams/payments/fraud", "Betrug in Zürich?", "50%"])
def test_an_unknown_name_registers_a_model(ed: Caller, name: str) -> None:
    answer = ed.put(f"{MODELS}/{quote(name)}", {**RANKING, "description": "Is it?", "tags": ["pci"]})

    assert answer.status_code == 201
    created = answer.json()
    assert [created[field] for field in ("organization", "name", "task_type", "description", "tags", "state")] == [
        *("acme", name, "ranking", "Is it?", ["pci"], "draft")
    ]
    assert ed.get(f"/models/{created['model_id']}").json() == created


def test_a_known_name_returns_the_model_unchanged(ed: Caller) -> None:
    first = ed.put(f"{MODELS}/fraud", {**RANKING, "description": "Is it?"})
    entries = AuditEntry.objects.count()

    again = ed.put(f"{MODELS}/fraud", {**RANKING, "description": "Is it not?"})

    assert (again.status_code, again.json()) == (200, first.json())
    assert AuditEntry.objects.count() == entries


def test_an_archived_model_is_returned_as_such(ed: Caller, admin: User) -> None:
    model_id = ed.put(f"{MODELS}/fraud", RANKING).json()["model_id"]
    Caller(admin).delete(f"/models/{model_id}")

    assert ed.put(f"{MODELS}/fraud", RANKING).json()["state"] == "archived"


def test_a_name_of_another_task_type_is_a_conflict_that_names_the_model(ed: Caller, model: RegisteredModel) -> None:
    answer = ed.put(f"{MODELS}/{quote(model.name)}", RANKING)

    assert refusal(answer) == (409, "conflict")
    assert answer.json()["existing"] == {"model_id": model.pk}
    assert "classification" in answer.json()["detail"]


def test_registering_or_choosing_a_taken_name_is_a_conflict_that_names_the_model(
    ed: Caller, model: RegisteredModel
) -> None:
    other = ed.put(f"{MODELS}/fraud", RANKING).json()["model_id"]

    for answer in (
        ed.post("/models", {**RANKING, "organization": "acme", "name": model.name}),
        ed.patch(f"/models/{other}", {"name": model.name}),
    ):
        assert refusal(answer) == (409, "conflict")
        assert answer.json()["existing"] == {"model_id": model.pk}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, ("task_type", "required")),
        ({"task_type": "magic"}, ("task_type", "invalid_choice")),
        ({**RANKING, "name": "fraud"}, ("name", "unknown_field")),
        ({**RANKING, "organization": "acme"}, ("organization", "unknown_field")),
        ({**RANKING, "positive_class": "yes"}, ("positive_class", "not_available")),
    ],
)
def test_an_invalid_body_is_refused(ed: Caller, body: dict[str, str], error: tuple[str, str]) -> None:
    assert faults(ed.put(f"{MODELS}/fraud", body)) == [error]
    assert not RegisteredModel.objects.filter(name="fraud").exists()


@pytest.mark.parametrize("name", ["%20", "a%00b", "a%0ab", "a%EF%BF%BD", "%E2%80%8B", "x" * 201])
def test_a_name_that_no_model_can_have_is_not_found(ed: Caller, name: str) -> None:
    assert refusal(ed.put(f"{MODELS}/{name}", RANKING)) == (404, "not_found")


def test_only_editors_register(viewer: User, outsider: User, ed: Caller) -> None:
    assert refusal(Caller(viewer).put(f"{MODELS}/fraud", RANKING)) == (403, "permission_denied")
    assert refusal(Caller(outsider).put(f"{MODELS}/fraud", RANKING)) == (403, "permission_denied")
    assert refusal(ed.put("/organizations/nope/models/fraud", RANKING)) == (404, "not_found")


def test_if_match_names_the_existing_model(ed: Caller) -> None:
    refused = ed.put(f"{MODELS}/fraud", RANKING, **{"If-Match": '"x"'})
    assert refusal(refused) == (412, "precondition_failed")
    assert not RegisteredModel.objects.filter(name="fraud").exists()

    etag = ed.put(f"{MODELS}/fraud", RANKING)["ETag"]
    assert ed.put(f"{MODELS}/fraud", RANKING, **{"If-Match": etag}).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rows_can_be_cleaned_up")
def test_of_many_at_once_one_registers_and_all_get_the_same_model(acme: Organization, editor: User) -> None:
    path = f"{MODELS}/fraud"
    answers = together([partial(ask, authenticated(editor), "PUT", path, RANKING) for _ in range(16)])

    assert sorted(answer.status_code for answer in answers) == [*[200] * 15, 201]
    assert len({answer.json()["model_id"] for answer in answers}) == 1
