"""Which requests for a summary are refused, with which error, and which check comes first."""

import pytest
from django.test import Client

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel, Version
from tests.api import faults, refusal
from tests.conftest import PinnedQueries, authenticated
from tests.factories import completed_version, snapshot
from tests.performance.snapshots.summaries import get_summary, summary_url


def test_many_unknown_parameters_are_not_all_listed(reader: Client, model: RegisteredModel) -> None:
    response = reader.get(summary_url(model), {f"{'x' * 100}{number}": "" for number in range(500)})

    assert refusal(response) == (400, "unknown_parameter")
    assert len(response.json()["errors"]) <= 20
    assert len(response.content) < 4000


def test_a_request_without_a_token_is_a_401(db: None, model: RegisteredModel, pinned_queries: PinnedQueries) -> None:
    with pinned_queries("summary refused before the database is asked"):
        response = get_summary(Client(), model)

    assert refusal(response) == (401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("split", ["Test", "TEST", "", " test", "holdout", "test,train", "0"])
def test_an_unknown_split_is_a_400_that_names_the_parameter(
    reader: Client, model: RegisteredModel, pinned_queries: PinnedQueries, split: str
) -> None:
    with pinned_queries("summary refused before the database is asked"):
        response = get_summary(reader, model, dataset_split=split)

    assert refusal(response) == (400, "invalid_parameter")
    assert [field for field, _ in faults(response)] == ["dataset_split"]


@pytest.mark.parametrize("version_id", ["", "417", "ver-", "ver-1a1", "ver-001A1", "ver-0001g", "001a1", "ver-001a1 "])
def test_a_malformed_version_id_is_a_400(reader: Client, model: RegisteredModel, version_id: str) -> None:
    response = get_summary(reader, model, version_id=version_id)

    assert refusal(response) == (400, "invalid_parameter")
    assert [field for field, _ in faults(response)] == ["version_id"]


def test_an_unknown_parameter_is_a_400_that_lists_the_known_ones(
    reader: Client, model: RegisteredModel, pinned_queries: PinnedQueries
) -> None:
    with pinned_queries("summary refused before the database is asked"):
        response = get_summary(reader, model, datasetsplit="validation")

    assert refusal(response) == (400, "unknown_parameter")
    (error,) = response.json()["errors"]
    assert error["field"] == "datasetsplit"
    assert "dataset_split" in error["detail"]


@pytest.mark.parametrize("query", ["dataset_split=test&dataset_split=test", "dataset_split=train&dataset_split=x"])
def test_a_repeated_parameter_is_a_400(reader: Client, model: RegisteredModel, query: str) -> None:
    response = reader.get(f"{summary_url(model)}?{query}")

    assert refusal(response) == (400, "invalid_parameter")
    assert ("dataset_split", "repeated") in faults(response)


@pytest.mark.parametrize("model_id", ["mdl-0000000000", "mdl-7F3A19BC92", "churn", "mdl-7f3a19bc9", "mdl-7f3a19bc920"])
def test_an_unknown_model_is_a_404(
    reader: Client, model: RegisteredModel, pinned_queries: PinnedQueries, model_id: str
) -> None:
    get_summary(reader, model)
    with pinned_queries("summary"):
        response = get_summary(reader, model_id)

    assert refusal(response) == (404, "model_not_found")


def test_a_caller_without_the_right_gets_a_403_that_names_the_scope(
    outsider: User, model: RegisteredModel, pinned_queries: PinnedQueries
) -> None:
    client = authenticated(outsider)
    get_summary(client, model)
    with pinned_queries("summary"):
        response = get_summary(client, model)

    assert refusal(response) == (403, "permission_denied")
    assert "model:read" in response.json()["detail"]


@pytest.mark.parametrize("state", ["training", "failed"])
def test_a_model_without_a_completed_version_is_a_422(
    reader: Client, empty_model: RegisteredModel, pinned_queries: PinnedQueries, state: str
) -> None:
    assert refusal(get_summary(reader, empty_model)) == (422, "no_trained_version")
    Version.objects.create(model=empty_model, number=1, state=state)

    with pinned_queries("summary"):
        assert refusal(get_summary(reader, empty_model)) == (422, "no_trained_version")
    assert refusal(get_summary(reader, empty_model, version_id="ver-00001")) == (422, "no_trained_version")


def test_a_model_with_nothing_promoted_is_a_404_that_names_the_newest_completed_version(
    reader: Client, empty_model: RegisteredModel, pinned_queries: PinnedQueries
) -> None:
    for number in (1, 3, 2):
        completed_version(empty_model, number=number)
    Version.objects.create(model=empty_model, number=4)
    get_summary(reader, empty_model)

    with pinned_queries("summary"):
        response = get_summary(reader, empty_model)

    assert refusal(response) == (404, "no_promoted_version")
    assert "ver-00003" in response.json()["detail"]


@pytest.mark.parametrize("version_id", ["ver-00000", "ver-00002", "ver-0001a1", "ver-0000000001a1", f"ver-{'f' * 500}"])
def test_a_version_that_the_model_does_not_have_is_a_404(
    reader: Client, model: RegisteredModel, pinned_queries: PinnedQueries, version_id: str
) -> None:
    get_summary(reader, model, version_id=version_id)
    with pinned_queries("summary"):
        response = get_summary(reader, model, version_id=version_id)

    assert refusal(response) == (404, "version_not_found")


def test_a_version_of_another_model_is_a_404(
    reader: Client, model: RegisteredModel, empty_model: RegisteredModel
) -> None:
    completed_version(empty_model, number=5)

    assert refusal(get_summary(reader, model, version_id="ver-00005")) == (404, "version_not_found")


@pytest.mark.parametrize("state", ["training", "failed"])
def test_a_version_that_is_not_completed_is_a_422(
    reader: Client, model: RegisteredModel, pinned_queries: PinnedQueries, state: str
) -> None:
    version = Version.objects.create(model=model, number=418, state=state)
    snapshot(version, metrics={"accuracy": 0.9}, dataset_split="train")
    get_summary(reader, model, version_id="ver-001a2")

    with pinned_queries("summary"):
        response = get_summary(reader, model, version_id="ver-001a2", dataset_split="train")

    assert refusal(response) == (422, "version_not_trained")
    assert state in response.json()["detail"]


def test_a_split_without_a_snapshot_is_a_404(
    reader: Client, model: RegisteredModel, pinned_queries: PinnedQueries
) -> None:
    get_summary(reader, model)
    with pinned_queries("summary without a snapshot, whose refusal names the datasets"):
        response = get_summary(reader, model, dataset_split="validation")

    assert refusal(response) == (404, "snapshot_not_found")
    assert "validation" in response.json()["detail"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_any_other_method_is_a_405(reader: Client, model: RegisteredModel, method: str) -> None:
    response = getattr(reader, method)(summary_url(model))

    assert refusal(response) == (405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD"


def test_another_media_type_is_a_406(reader: Client, model: RegisteredModel) -> None:
    assert refusal(reader.get(summary_url(model), headers={"Accept": "text/csv"})) == (406, "not_acceptable")


@pytest.mark.parametrize(
    ("actor", "model_id", "query", "status", "code"),
    [
        ("nobody", "mdl-0000000000", "?x=1", 401, "not_authenticated"),
        ("outsider", "mdl-0000000000", "?x=1", 400, "unknown_parameter"),
        ("outsider", "mdl-0000000000", "?version_id=ver-00009", 404, "model_not_found"),
        ("outsider", "empty", "?version_id=ver-00009", 403, "permission_denied"),
        ("viewer", "empty", "?version_id=ver-00009", 422, "no_trained_version"),
        ("viewer", "mdl-7f3a19bc92", "?version_id=ver-00009&dataset_split=train", 404, "version_not_found"),
        ("viewer", "mdl-7f3a19bc92", "?version_id=ver-001a2&dataset_split=train", 422, "version_not_trained"),
        ("viewer", "mdl-7f3a19bc92", "?version_id=ver-001a1&dataset_split=train", 404, "snapshot_not_found"),
    ],
)
def test_the_first_check_that_fails_decides_the_response(
    model: RegisteredModel,
    empty_model: RegisteredModel,
    viewer: User,
    outsider: User,
    actor: str,
    model_id: str,
    query: str,
    status: int,
    code: str,
) -> None:
    Version.objects.create(model=model, number=418)
    client = {"nobody": Client(), "outsider": authenticated(outsider), "viewer": authenticated(viewer)}[actor]

    assert refusal(client.get(summary_url(empty_model if model_id == "empty" else model_id) + query)) == (status, code)
