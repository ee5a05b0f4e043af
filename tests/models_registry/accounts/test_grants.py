"""`/api/v1/models/{model_id}/grants`"""

from typing import Any

import pytest

from models_registry.accounts.models import ModelGrant, User
from models_registry.registry.models import RegisteredModel
from tests.api import Caller, faults, masked, refusal
from tests.conftest import golden
from tests.factories import new_user

pytestmark = pytest.mark.django_db
GRANTS = "/models/mdl-7f3a19bc92/grants"


@pytest.fixture
def nora(model: RegisteredModel) -> User:
    return new_user("nora")


def test_a_grant_gives_its_scope_on_its_model_and_nothing_else(
    admin: User, nora: User, empty_model: RegisteredModel
) -> None:
    answer = Caller(admin).post(GRANTS, {"username": "nora", "scope": "model:write"})

    assert answer.status_code == 201
    assert answer["Location"] == f"/api/v1{GRANTS}/{answer.json()['id']}"
    assert masked(answer.json()) == golden("grant")
    assert Caller(admin).get(answer["Location"]).json() == answer.json()
    assert Caller(nora).post("/models/mdl-7f3a19bc92/versions").status_code == 201
    assert refusal(Caller(nora).get("/models/mdl-7f3a19bc92")) == (403, "permission_denied")
    assert refusal(Caller(nora).post(f"/models/{empty_model.pk}/versions")) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"scope": "model:read"}, "username", "required"),
        ({"username": "nora"}, "scope", "required"),
        ({"username": "nora", "scope": "organization:admin"}, "scope", "invalid_choice"),
        ({"username": "nora", "scope": "model:read model:write"}, "scope", "invalid_choice"),
        ({"username": "nobody", "scope": "model:read"}, "username", "does_not_exist"),
        ({"username": "nora", "scope": "model:read", "model_id": "mdl-0000000000"}, "model_id", "unknown_field"),
    ],
)
def test_an_invalid_grant_is_refused_by_field_and_not_stored(
    admin: User, nora: User, body: dict[str, Any], field: str, code: str
) -> None:
    assert faults(Caller(admin).post(GRANTS, body)) == [(field, code)]
    assert not ModelGrant.objects.exists()


def test_granting_a_scope_again_is_a_conflict(admin: User, nora: User) -> None:
    body = {"username": "nora", "scope": "model:read"}
    Caller(admin).post(GRANTS, body)

    assert refusal(Caller(admin).post(GRANTS, body)) == (409, "conflict")
    assert Caller(admin).post(GRANTS, {**body, "scope": "model:promote"}).status_code == 201


def test_a_revoked_grant_ends_at_once_even_on_an_archived_model(admin: User, grantee: User) -> None:
    ada, gil = Caller(admin), Caller(grantee)
    grant = ada.get(GRANTS).json()["results"][0]
    assert (grant["username"], grant["scope"]) == ("gil", "model:read")
    assert gil.get("/models/mdl-7f3a19bc92").status_code == 200
    ada.delete("/models/mdl-7f3a19bc92")

    assert ada.delete(f"{GRANTS}/{grant['id']}").status_code == 204

    assert refusal(gil.get("/models/mdl-7f3a19bc92")) == (403, "permission_denied")
    assert refusal(ada.get(f"{GRANTS}/{grant['id']}")) == (404, "not_found")


@pytest.mark.parametrize("grant_id", ["0", "-1", "99999999", "9" * 30, "x", "1.0", "%D9%A1", "%C2%B2"])
def test_an_unknown_grant_is_not_found(admin: User, grantee: User, grant_id: str) -> None:
    assert refusal(Caller(admin).get(f"{GRANTS}/{grant_id}")) == (404, "not_found")
    assert refusal(Caller(admin).delete(f"{GRANTS}/{grant_id}")) == (404, "not_found")


def test_a_grant_of_another_model_is_not_found(admin: User, grantee: User, empty_model: RegisteredModel) -> None:
    grant = ModelGrant.objects.get()

    assert refusal(Caller(admin).delete(f"/models/{empty_model.pk}/grants/{grant.pk}")) == (404, "not_found")
    assert ModelGrant.objects.exists()
