"""`GET /api/v1/models/{model_id}/performance/summary`"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models_registry import task_types
from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import promote
from tests.api import faults, refusal
from tests.conftest import PinnedQueries, authenticated, golden
from tests.factories import EVALUATED_AT, EXAMPLE_METRICS, completed_version, snapshot
from tests.openapi import unchecked

SPLITS = ["train", "validation", "test"]


def url(model: RegisteredModel | str) -> str:
    model_id = model if isinstance(model, str) else model.pk
    return f"/api/v1/models/{model_id}/performance/summary"


def get(client: Client, model: RegisteredModel | str, **query: str) -> Any:
    return client.get(url(model), query)


@pytest.fixture
def client(viewer: User) -> Client:
    return authenticated(viewer)


class TestTheAnswer:
    def test_the_summary_is_the_newest_snapshot_of_the_promoted_version_on_the_test_split(
        self, client: Client, model: RegisteredModel, pinned_queries: PinnedQueries
    ) -> None:
        get(client, model)
        with pinned_queries("summary"):
            response = get(client, model)

        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"
        assert response.json() == golden("summary")

    def test_the_summary_has_its_keys_in_the_contracts_order(self, client: Client, model: RegisteredModel) -> None:
        body = get(client, model).content.decode()

        assert json.dumps(json.loads(body), separators=(",", ":")) == body
        assert json.dumps(golden("summary"), separators=(",", ":")) == body

    def test_the_summary_takes_the_version_and_split_asked_for(self, client: Client, model: RegisteredModel) -> None:
        version = completed_version(model, number=16)
        snapshot(version, metrics={"accuracy": 0.5}, dataset_split="validation")

        body = get(client, model, version_id="ver-00010", dataset_split="validation").json()

        assert (body["version_id"], body["dataset_split"]) == ("ver-00010", "validation")
        assert body["metrics"]["accuracy"] == 0.5

    def test_the_summary_follows_a_promotion_at_once(self, client: Client, model: RegisteredModel) -> None:
        version = completed_version(model, number=418)
        snapshot(version, metrics={"accuracy": 0.95})
        promote(version=version, promoted_by=None, reason="better")

        assert get(client, model).json()["version_id"] == "ver-001a2"

    def test_the_summary_is_the_newest_by_time_of_evaluation_then_by_order_of_arrival(
        self, client: Client, model: RegisteredModel
    ) -> None:
        version = Version.objects.get(model=model)
        later = EVALUATED_AT + timedelta(hours=1)
        snapshot(version, metrics={"accuracy": 0.1}, evaluated_at=later)
        snapshot(version, metrics={"accuracy": 0.2}, evaluated_at=later)
        snapshot(version, metrics={"accuracy": 0.3}, evaluated_at=EVALUATED_AT - timedelta(hours=1))

        body = get(client, model).json()

        assert body["metrics"]["accuracy"] == 0.2
        assert body["evaluated_at"] == "2026-03-13T15:22:10Z"

    def test_never_falls_back_to_another_split_or_version(self, client: Client, model: RegisteredModel) -> None:
        other = completed_version(model, number=418)
        snapshot(other, metrics={"accuracy": 0.9}, dataset_split="train")

        assert refusal(get(client, model, dataset_split="train")) == (404, "snapshot_not_found")
        assert refusal(get(client, model, version_id="ver-001a2")) == (404, "snapshot_not_found")

    @pytest.mark.parametrize("task_type", [task_type.name for task_type in task_types.all_task_types()])
    def test_the_summary_has_all_summary_metrics_of_its_task_type_in_order_and_null_for_those_not_recorded(
        self, client: Client, empty_model: RegisteredModel, task_type: str
    ) -> None:
        names = [metric.name for metric in task_types.get(task_type).metrics]
        RegisteredModel.objects.filter(pk=empty_model.pk).update(task_type=task_type)
        snapshot(completed_version(empty_model, number=1), metrics={names[-1]: 1.0})

        body = get(client, empty_model, version_id="ver-00001").json()

        assert body["task_type"] == task_type
        assert list(body["metrics"]) == names
        assert body["metrics"] == dict.fromkeys(names) | {names[-1]: 1.0}

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_numbers_are_the_stored_doubles_in_shortest_form(
        self, client: Client, empty_model: RegisteredModel, number: float
    ) -> None:
        version, _ = Version.objects.get_or_create(
            model=empty_model, number=1, state="completed", defaults={"completed_at": EVALUATED_AT}
        )
        snapshot(version, metrics={"mae": number, "r_squared": -1.0}, evaluated_at=datetime.now(UTC))

        with unchecked():  # an error below 0, which the service doesn't store
            body = get(client, empty_model, version_id="ver-00001").content.decode()

        assert json.loads(body)["metrics"]["mae"] == number
        assert f'"mae":{number + 0.0!r}'.replace("-0.0", "0.0").removesuffix(".0") in body.replace("-0.0", "0.0")

    @pytest.mark.parametrize("state", ["training", "failed"])
    def test_the_summary_of_a_model_that_trains_again_is_of_its_completed_version(
        self, client: Client, model: RegisteredModel, state: str
    ) -> None:
        Version.objects.create(model=model, number=418, state=state)

        assert get(client, model).json() == golden("summary")

    def test_the_summary_of_an_archived_model_stays(self, client: Client, model: RegisteredModel) -> None:
        RegisteredModel.objects.filter(pk=model.pk).update(archived_at=EVALUATED_AT)

        assert get(client, model).json() == golden("summary")


class TestCaching:
    def test_a_read_carries_a_strong_etag_and_is_the_callers_own(self, client: Client, model: RegisteredModel) -> None:
        response = get(client, model)

        assert response["ETag"].startswith('"')
        assert set(response["Cache-Control"].split(", ")) == {"private", "no-cache"}
        assert response["Vary"] == "Authorization"

    @pytest.mark.parametrize("form", ["{}", 'W/{}, "other"', "*"])
    def test_what_the_caller_has_already_is_a_304_without_a_body(
        self, client: Client, model: RegisteredModel, pinned_queries: PinnedQueries, form: str
    ) -> None:
        etag = get(client, model)["ETag"]

        with pinned_queries("summary that is a 304"):
            response = client.get(url(model), headers={"If-None-Match": form.format(etag)})

        assert (response.status_code, response.content) == (304, b"")
        assert (response["ETag"], response["Vary"]) == (etag, "Authorization")
        assert response["X-Request-ID"]

    def test_if_match_with_another_etag_is_a_412(self, client: Client, model: RegisteredModel) -> None:
        response = client.get(url(model), headers={"If-Match": '"another"'})

        assert refusal(response) == (412, "precondition_failed")
        assert (response["Cache-Control"], response["Vary"]) == ("private, no-cache", "Authorization")

    @pytest.mark.parametrize("form", ["{}", '"other", {}', "*"])
    def test_the_present_state_expected_is_a_200(self, client: Client, model: RegisteredModel, form: str) -> None:
        etag = get(client, model)["ETag"]

        assert client.get(url(model), headers={"If-Match": form.format(etag)}).status_code == 200

    def test_a_date_is_no_condition(self, client: Client, model: RegisteredModel) -> None:
        since = {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}

        assert client.get(url(model), headers=since).status_code == 200

    def test_the_etag_changes_with_a_new_snapshot(self, client: Client, model: RegisteredModel) -> None:
        etag = get(client, model)["ETag"]
        snapshot(Version.objects.get(model=model), metrics={**EXAMPLE_METRICS, "accuracy": 0.94})

        response = client.get(url(model), headers={"If-None-Match": etag})

        assert response.status_code == 200
        assert response["ETag"] != etag

    def test_head_answers_as_get_does_without_the_body(self, client: Client, model: RegisteredModel) -> None:
        head, answer = client.head(url(model)), get(client, model)

        assert (head.status_code, head.content, head["ETag"]) == (200, b"", answer["ETag"])

    def test_an_error_has_no_etag_and_is_never_a_304(self, client: Client, model: RegisteredModel) -> None:
        response = client.get(url(model), {"dataset_split": "train"}, headers={"If-None-Match": "*"})

        assert refusal(response) == (404, "snapshot_not_found")
        assert "ETag" not in response


class TestRefusals:
    def test_many_unknown_parameters_are_not_all_told(self, client: Client, model: RegisteredModel) -> None:
        response = client.get(url(model), {f"{'x' * 100}{number}": "" for number in range(500)})

        assert refusal(response) == (400, "unknown_parameter")
        assert len(response.json()["errors"]) <= 20
        assert len(response.content) < 4000

    def test_a_request_without_a_token_is_a_401(
        self, db: None, model: RegisteredModel, pinned_queries: PinnedQueries
    ) -> None:
        with pinned_queries("summary refused before the database is asked"):
            response = get(Client(), model)

        assert refusal(response) == (401, "not_authenticated")
        assert response["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("split", ["Test", "TEST", "", " test", "holdout", "test,train", "0"])
    def test_an_unknown_split_is_a_400_that_names_the_parameter(
        self, client: Client, model: RegisteredModel, pinned_queries: PinnedQueries, split: str
    ) -> None:
        with pinned_queries("summary refused before the database is asked"):
            response = get(client, model, dataset_split=split)

        assert refusal(response) == (400, "invalid_parameter")
        assert [field for field, _ in faults(response)] == ["dataset_split"]

    @pytest.mark.parametrize(
        "version_id", ["", "417", "ver-", "ver-1a1", "ver-001A1", "ver-0001g", "001a1", "ver-001a1 "]
    )
    def test_a_malformed_version_id_is_a_400(self, client: Client, model: RegisteredModel, version_id: str) -> None:
        response = get(client, model, version_id=version_id)

        assert refusal(response) == (400, "invalid_parameter")
        assert [field for field, _ in faults(response)] == ["version_id"]

    def test_an_unknown_parameter_is_a_400_that_lists_the_known_ones(
        self, client: Client, model: RegisteredModel, pinned_queries: PinnedQueries
    ) -> None:
        with pinned_queries("summary refused before the database is asked"):
            response = get(client, model, datasetsplit="validation")

        assert refusal(response) == (400, "unknown_parameter")
        (error,) = response.json()["errors"]
        assert error["field"] == "datasetsplit"
        assert "dataset_split" in error["detail"]

    @pytest.mark.parametrize("query", ["dataset_split=test&dataset_split=test", "dataset_split=train&dataset_split=x"])
    def test_a_repeated_parameter_is_a_400(self, client: Client, model: RegisteredModel, query: str) -> None:
        response = client.get(f"{url(model)}?{query}")

        assert refusal(response) == (400, "invalid_parameter")
        assert ("dataset_split", "repeated") in faults(response)

    @pytest.mark.parametrize(
        "model_id", ["mdl-0000000000", "mdl-7F3A19BC92", "churn", "mdl-7f3a19bc9", "mdl-7f3a19bc920"]
    )
    def test_an_unknown_model_is_a_404(
        self, client: Client, model: RegisteredModel, pinned_queries: PinnedQueries, model_id: str
    ) -> None:
        get(client, model)
        with pinned_queries("summary"):
            response = get(client, model_id)

        assert refusal(response) == (404, "model_not_found")

    def test_a_caller_without_the_right_gets_a_403_that_names_the_scope(
        self, outsider: User, model: RegisteredModel, pinned_queries: PinnedQueries
    ) -> None:
        client = authenticated(outsider)
        get(client, model)
        with pinned_queries("summary"):
            response = get(client, model)

        assert refusal(response) == (403, "permission_denied")
        assert "model:read" in response.json()["detail"]

    @pytest.mark.parametrize("state", ["training", "failed"])
    def test_a_model_without_a_completed_version_is_a_422(
        self, client: Client, empty_model: RegisteredModel, pinned_queries: PinnedQueries, state: str
    ) -> None:
        assert refusal(get(client, empty_model)) == (422, "no_trained_version")
        Version.objects.create(model=empty_model, number=1, state=state)

        with pinned_queries("summary"):
            assert refusal(get(client, empty_model)) == (422, "no_trained_version")
        assert refusal(get(client, empty_model, version_id="ver-00001")) == (422, "no_trained_version")

    def test_a_model_with_nothing_promoted_is_a_404_that_names_the_newest_completed_version(
        self, client: Client, empty_model: RegisteredModel, pinned_queries: PinnedQueries
    ) -> None:
        for number in (1, 3, 2):
            completed_version(empty_model, number=number)
        Version.objects.create(model=empty_model, number=4)
        get(client, empty_model)

        with pinned_queries("summary"):
            response = get(client, empty_model)

        assert refusal(response) == (404, "no_promoted_version")
        assert "ver-00003" in response.json()["detail"]

    @pytest.mark.parametrize(
        "version_id", ["ver-00000", "ver-00002", "ver-0001a1", "ver-0000000001a1", f"ver-{'f' * 500}"]
    )
    def test_a_version_that_the_model_does_not_have_is_a_404(
        self, client: Client, model: RegisteredModel, pinned_queries: PinnedQueries, version_id: str
    ) -> None:
        get(client, model, version_id=version_id)
        with pinned_queries("summary"):
            response = get(client, model, version_id=version_id)

        assert refusal(response) == (404, "version_not_found")

    def test_a_version_of_another_model_is_a_404(
        self, client: Client, model: RegisteredModel, empty_model: RegisteredModel
    ) -> None:
        completed_version(empty_model, number=5)

        assert refusal(get(client, model, version_id="ver-00005")) == (404, "version_not_found")

    @pytest.mark.parametrize("state", ["training", "failed"])
    def test_a_version_that_is_not_completed_is_a_422(
        self, client: Client, model: RegisteredModel, pinned_queries: PinnedQueries, state: str
    ) -> None:
        version = Version.objects.create(model=model, number=418, state=state)
        snapshot(version, metrics={"accuracy": 0.9}, dataset_split="train")
        get(client, model, version_id="ver-001a2")

        with pinned_queries("summary"):
            response = get(client, model, version_id="ver-001a2", dataset_split="train")

        assert refusal(response) == (422, "version_not_trained")
        assert state in response.json()["detail"]

    def test_a_split_without_a_snapshot_is_a_404(
        self, client: Client, model: RegisteredModel, pinned_queries: PinnedQueries
    ) -> None:
        get(client, model)
        with pinned_queries("summary without a snapshot, whose refusal names the datasets"):
            response = get(client, model, dataset_split="validation")

        assert refusal(response) == (404, "snapshot_not_found")
        assert "validation" in response.json()["detail"]

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
    def test_any_other_method_is_a_405(self, client: Client, model: RegisteredModel, method: str) -> None:
        response = getattr(client, method)(url(model))

        assert refusal(response) == (405, "method_not_allowed")
        assert response["Allow"] == "GET, HEAD"

    def test_another_media_type_is_a_406(self, client: Client, model: RegisteredModel) -> None:
        assert refusal(client.get(url(model), headers={"Accept": "text/csv"})) == (406, "not_acceptable")


class TestTheOrderOfChecks:
    """401 → 400 → 404 model → 403 → 422 no trained version → 404 version → 422 not trained → 404 snapshot."""

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
        self,
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

        assert refusal(client.get(url(empty_model if model_id == "empty" else model_id) + query)) == (status, code)


class TestRequestIDs:
    @pytest.mark.parametrize("request_id", ["a", "ci-run.42_7", "x" * 64])
    def test_a_well_formed_request_id_is_the_callers(
        self, client: Client, model: RegisteredModel, request_id: str
    ) -> None:
        response = client.get(url(model), headers={"X-Request-ID": request_id})

        assert response["X-Request-ID"] == request_id

    @pytest.mark.parametrize("request_id", ["", "x" * 65, "a b", "a\tb", "é", "a/b"])
    def test_a_malformed_request_id_is_replaced(self, client: Client, model: RegisteredModel, request_id: str) -> None:
        response = client.get(url(model), headers={"X-Request-ID": request_id})

        assert response["X-Request-ID"] != request_id
        assert len(response["X-Request-ID"]) == 32
