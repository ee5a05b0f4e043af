"""Who may read which model's summary, with a token narrowed to what: every cell of the matrix."""

from itertools import product

import pytest
from django.test import Client

from models_registry.accounts.models import ModelGrant, Organization, User
from models_registry.accounts.scopes import ALL_SCOPES, Scope
from models_registry.registry.models import RegisteredModel
from models_registry.registry.promotions import promote
from tests.conftest import authenticated
from tests.factories import EXAMPLE_METRICS, completed_version, new_user, snapshot

OWN, OTHER = "mdl-7f3a19bc92", "mdl-00000000ff"
MEMBERS = ["viewer", "editor", "admin"]
ACTORS = ["outsider", *MEMBERS, "grantee", "writer", "superuser"]
SCOPES = [
    "model:read",
    "model:write",
    "model:promote",
    "organization:viewer",
    "organization:editor",
    "organization:admin",
]

# As the contract has it, by hand.
READERS = {OWN: {*MEMBERS, "grantee", "superuser"}, OTHER: {"outsider", "superuser"}}
SCOPES_THAT_READ = {None, "model:read", "organization:viewer", "organization:editor", "organization:admin"}


def expected(actor: str, scope: str | None, model_id: str) -> tuple[int, str | None]:
    if actor == "anonymous":
        return 401, "not_authenticated"
    if actor in READERS[model_id] and scope in SCOPES_THAT_READ:
        return 200, None
    return 403, "permission_denied"


@pytest.fixture
def writer(model: RegisteredModel) -> User:
    """Will, who is of no organization and may write the one model, but not read it."""
    user = new_user("will")
    ModelGrant.objects.create(model=model, user=user, scope="model:write")
    return user


@pytest.fixture
def _models(model: RegisteredModel, outsider: User) -> None:
    globex = Organization.objects.get(slug="globex")
    other = RegisteredModel.objects.create(
        model_id=OTHER, organization=globex, name="churn", task_type="classification"
    )
    version = completed_version(other, number=1)
    snapshot(version, metrics=EXAMPLE_METRICS)
    promote(version=version, promoted_by=None, reason="the first")


def client_of(request: pytest.FixtureRequest, actor: str, scope: str | None) -> Client:
    if actor == "anonymous":
        return Client()
    return authenticated(request.getfixturevalue(actor), ALL_SCOPES if scope is None else frozenset({Scope(scope)}))


@pytest.mark.usefixtures("_models")
@pytest.mark.parametrize("actor", ["anonymous", *ACTORS])
def test_the_summary_allows_only_whom_the_contract_names(
    request: pytest.FixtureRequest, actor: str, subtests: pytest.Subtests
) -> None:
    for scope, model_id in product([None] if actor == "anonymous" else [None, *SCOPES], [OWN, OTHER]):
        with subtests.test(f"{scope} {model_id}"):
            answer = client_of(request, actor, scope).get(f"/api/v1/models/{model_id}/performance/summary")

            assert (answer.status_code, answer.json().get("code")) == expected(actor, scope, model_id)
            assert ("metrics" in answer.json()) == (answer.status_code == 200)
            if answer.status_code == 403:
                assert "model:read" in answer.json()["detail"]


def test_the_matrix_has_every_scope() -> None:
    assert set(SCOPES) == set(Scope)
