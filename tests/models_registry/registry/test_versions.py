"""`/api/v1/models/{model_id}/versions`"""

from typing import Any

import pytest

from models_registry.accounts.models import User
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version
from tests.api import Caller, faults, masked, refusal
from tests.conftest import PinnedQueries, golden

pytestmark = pytest.mark.django_db


RUNNABLE_URIS = (
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "\tjavascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "view-source:https://example.com",
    "https\njavascript:alert(1)",
    "://example.com",
)


@pytest.fixture
def path(empty_model: RegisteredModel) -> str:
    return f"/models/{empty_model.pk}/versions"


@pytest.fixture
def ed(editor: User) -> Caller:
    return Caller(editor)


class TestCreating:
    def test_a_version_begins_in_training(self, ed: Caller, path: str) -> None:
        body = {
            "description": "More trees",
            "source_uri": "s3://acme/prices/7f3a/",
            "parameters": {"trees": 500, "depth": None, "loss": {"name": "huber", "delta": 1.5}},
            "tags": ["nightly"],
        }
        answer = ed.post(path, body)

        assert answer.status_code == 201
        assert answer["Location"] == f"/api/v1{path}/ver-00001"
        assert {**masked(answer.json()), "model_id": "mdl-0123456789"} == golden("version")
        assert list(answer.json()) == list(golden("version"))
        assert ed.get(answer["Location"]).json() == answer.json()

    @pytest.mark.parametrize(
        "uri", ["https://example.com/m", "gs://b/m", "abfss://c@a/m", "file:///m", "git+https://h/r@v1", "models:/m/3"]
    )
    def test_a_source_may_use_any_listed_scheme(self, ed: Caller, path: str, uri: str) -> None:
        assert ed.post(path, {"source_uri": uri}).json()["source_uri"] == uri

    def test_an_old_source_with_an_unlisted_scheme_is_returned_unchanged(self, ed: Caller, path: str) -> None:
        created = ed.post(path, {})["Location"]
        Version.objects.filter(number=1, model=path.split("/")[2]).update(source_uri="javascript:alert(1)")

        assert ed.get(created).json()["source_uri"] == "javascript:alert(1)"
        assert ed.patch(created, {"description": "still writable"}).status_code == 200

    def test_every_field_of_a_version_is_optional(self, ed: Caller, path: str) -> None:
        assert ed.post(path, {}).json()["state"] == "training"

    def test_version_numbers_are_consecutive_within_each_model(
        self, ed: Caller, path: str, model: RegisteredModel
    ) -> None:
        assert [ed.post(path).json()["version_id"] for _ in range(3)] == ["ver-00001", "ver-00002", "ver-00003"]
        assert ed.post(f"/models/{model.pk}/versions").json()["version_id"] == "ver-001a2"

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"description": 1}, "description", "invalid"),
            ({"description": "x" * 10_001}, "description", "max_length"),
            ({"source_uri": "no uri"}, "source_uri", "invalid"),
            ({"source_uri": "s3://a b"}, "source_uri", "invalid"),
            *(({"source_uri": uri}, "source_uri", "invalid") for uri in RUNNABLE_URIS),
            ({"source_uri": "s3:" + "x" * 2000}, "source_uri", "max_length"),
            ({"parameters": []}, "parameters", "not_a_dict"),
            ({"parameters": None}, "parameters", "null"),
            ({"parameters": {"a": "x" * 65_536}}, "parameters", "too_large"),
            ({"tags": ["a", "a"]}, "tags", "repeated"),
            ({"state": "completed"}, "state", "unknown_field"),
            ({"number": 7}, "number", "unknown_field"),
            ({"version_id": "ver-00007"}, "version_id", "unknown_field"),
            ({"completed_at": "2026-03-13T14:22:10Z"}, "completed_at", "unknown_field"),
            ({"promoted": True}, "promoted", "unknown_field"),
        ],
    )
    def test_an_invalid_version_is_refused_by_field_and_not_stored(
        self, ed: Caller, path: str, body: dict[str, Any], field: str, code: str
    ) -> None:
        assert faults(ed.post(path, body)) == [(field, code)]
        assert not Version.objects.exists()
        assert ed.post(path).json()["version_id"] == "ver-00001"

    def test_a_model_that_has_used_all_numbers_refuses_another_version(
        self, ed: Caller, path: str, empty_model: RegisteredModel
    ) -> None:
        Version.objects.create(model=empty_model, number=ids.MAX_VERSION_NUMBER)

        assert refusal(ed.post(path)) == (409, "conflict")


class TestState:
    @pytest.mark.parametrize("final", ["completed", "failed"])
    def test_training_ends_in_a_state_that_is_final(
        self, ed: Caller, path: str, final: str, pinned_queries: PinnedQueries
    ) -> None:
        version = ed.post(path).json()

        with pinned_queries("change of a version"):
            answer = ed.patch(f"{path}/ver-00001", {"state": final})

        assert (answer.status_code, answer.json()["state"]) == (200, final)
        assert (answer.json()["completed_at"] is not None) == (final == "completed")
        assert {**answer.json(), "state": "training", "completed_at": None} == version
        for state in {"training", "completed", "failed"} - {final}:
            refused = ed.patch(f"{path}/ver-00001", {"state": state, "description": "x"})
            assert refusal(refused) == (409, "conflict")
            assert final in refused.json()["detail"]
        assert ed.get(f"{path}/ver-00001").json() == answer.json()

    @pytest.mark.parametrize("state", ["training", "completed", "failed"])
    def test_setting_the_same_state_again_changes_nothing(self, ed: Caller, path: str, state: str) -> None:
        ed.post(path)
        first = ed.patch(f"{path}/ver-00001", {"state": state}).json()

        assert ed.patch(f"{path}/ver-00001", {"state": state}).json() == first

    @pytest.mark.parametrize("state", ["", "Completed", "archived", None, 1, ["completed"]])
    def test_an_unknown_version_state_is_refused(self, ed: Caller, path: str, state: Any) -> None:
        ed.post(path)

        assert [field for field, _ in faults(ed.patch(f"{path}/ver-00001", {"state": state}))] == ["state"]
        assert Version.objects.get().state == "training"

    def test_a_versions_description_and_tags_change_in_any_state(self, ed: Caller, path: str) -> None:
        ed.post(path)
        ed.patch(f"{path}/ver-00001", {"state": "completed"})

        answer = ed.patch(f"{path}/ver-00001", {"description": "the best", "tags": ["keep"]}).json()

        assert (answer["description"], answer["tags"], answer["state"]) == ("the best", ["keep"], "completed")

    @pytest.mark.parametrize("name", ["parameters", "source_uri", "version_id", "number", "completed_at", "promoted"])
    def test_a_versions_parameters_cannot_change(self, ed: Caller, path: str, name: str) -> None:
        ed.post(path)

        assert faults(ed.patch(f"{path}/ver-00001", {name: "x"})) == [(name, "unknown_field")]


class TestReading:
    @pytest.mark.parametrize("version_id", ["ver-00002", "ver-1", "VER-00001", "1", "ver-0000g", "ver-%00", "x" * 9999])
    def test_an_unknown_version_is_not_found(self, ed: Caller, path: str, version_id: str) -> None:
        ed.post(path)

        assert refusal(ed.get(f"{path}/{version_id}")) == (404, "version_not_found")
        assert refusal(ed.patch(f"{path}/{version_id}", {})) == (404, "version_not_found")

    def test_versions_are_listed_newest_first_and_filtered_by_state(self, ed: Caller, path: str) -> None:
        for _ in range(3):
            ed.post(path)
        ed.patch(f"{path}/ver-00002", {"state": "completed"})

        def listed(**query: str) -> list[str]:
            return [each["version_id"] for each in ed.get(path, query).json()["results"]]

        assert listed() == ["ver-00003", "ver-00002", "ver-00001"]
        assert listed(state="training") == ["ver-00003", "ver-00001"]
        assert listed(state="completed") == ["ver-00002"]
        assert listed(state="failed") == []
        assert faults(ed.get(path, {"state": "archived"})) == [("state", "invalid_choice")]

    def test_a_version_of_an_unknown_model_is_model_not_found(self, ed: Caller) -> None:
        assert refusal(ed.get("/models/mdl-0000000000/versions/ver-00001")) == (404, "model_not_found")

    def test_a_version_says_whether_it_is_promoted(self, ed: Caller, model: RegisteredModel) -> None:
        assert ed.get(f"/models/{model.pk}/versions/ver-001a1").json()["promoted"] is True
        ed.post(f"/models/{model.pk}/versions")
        assert [each["promoted"] for each in ed.get(f"/models/{model.pk}/versions").json()["results"]] == [False, True]
