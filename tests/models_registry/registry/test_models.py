"""`/api/v1/models`: registering, finding, changing and archiving."""

from typing import Any

import pytest

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from models_registry.accounts.scopes import Scope
from models_registry.registry.models import RegisteredModel, Version
from tests.api import Caller, faults, masked, refusal
from tests.conftest import golden
from tests.factories import completed_version

pytestmark = pytest.mark.django_db
OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of the direction of text
GOOD = {"organization": "acme", "name": "fraud", "task_type": "classification"}


class TestRegistering:
    def test_an_editor_registers_a_model(self, editor: User) -> None:
        body = {**GOOD, "description": "Is this\npayment fraud?", "tags": ["payments", "pci"]}
        answer = Caller(editor).post("/models", body)

        assert answer.status_code == 201
        created = answer.json()
        assert answer["Location"] == f"/api/v1/models/{created['model_id']}"
        assert {**masked(created), "model_id": "mdl-0123456789"} == golden("model")
        assert list(created) == list(golden("model"))
        assert Caller(editor).get(answer["Location"]).json() == created
        assert answer["ETag"] == Caller(editor).get(answer["Location"])["ETag"]

    @pytest.mark.parametrize("task_type", [each.name for each in task_types.all_task_types()])
    def test_every_task_type_is_accepted(self, editor: User, task_type: str) -> None:
        assert Caller(editor).post("/models", {**GOOD, "task_type": task_type}).json()["task_type"] == task_type

    @pytest.mark.parametrize(
        ("change", "field", "code"),
        [
            ({"organization": None}, "organization", "null"),
            ({"organization": "nope"}, "organization", "does_not_exist"),
            ({"organization": 1}, "organization", "invalid"),
            ({"organization": "x" * 64}, "organization", "max_length"),
            ({"name": ""}, "name", "blank"),
            ({"name": "x" * 201}, "name", "max_length"),
            ({"name": "a\u2028b"}, "name", "invalid"),
            *(({"name": f"a{each}b"}, "name", "invalid") for each in OVERRIDES),
            *(({"tags": ["a", f"{each}b"]}, "tags.1", "invalid") for each in OVERRIDES),
            ({"name": "\u200b"}, "name", "invalid"),
            ({"name": "\u3164\u2800\ufe0f"}, "name", "invalid"),
            ({"name": ["fraud"]}, "name", "invalid"),
            ({"task_type": "Classification"}, "task_type", "invalid_choice"),
            ({"task_type": ""}, "task_type", "invalid_choice"),
            ({"description": None}, "description", "null"),
            ({"description": "x" * 10_001}, "description", "max_length"),
            ({"tags": "payments"}, "tags", "not_a_list"),
            ({"tags": {"a": "b"}}, "tags", "not_a_list"),
            ({"tags": [1]}, "tags.0", "invalid"),
            ({"tags": ["a", ""]}, "tags.1", "blank"),
            ({"tags": ["x" * 101]}, "tags.0", "max_length"),
            ({"tags": ["\u2060"]}, "tags.0", "invalid"),
            ({"tags": ["a", "a"]}, "tags", "repeated"),
            ({"tags": [str(number) for number in range(51)]}, "tags", "max_length"),
            ({"model_id": "mdl-0000000000"}, "model_id", "unknown_field"),
            ({"state": "ready"}, "state", "unknown_field"),
            ({"created_by": "root"}, "created_by", "unknown_field"),
            ({"promoted_version": 1}, "promoted_version", "unknown_field"),
            ({"promoted_version_id": "ver-00001"}, "promoted_version_id", "unknown_field"),
            ({"archived_at": None}, "archived_at", "unknown_field"),
        ],
    )
    def test_an_invalid_model_is_refused_by_field_and_not_stored(
        self, editor: User, change: dict[str, Any], field: str, code: str
    ) -> None:
        assert faults(Caller(editor).post("/models", {**GOOD, **change})) == [(field, code)]
        assert not RegisteredModel.objects.exists()

    @pytest.mark.parametrize("name", ["\u05d0\u05d1", "\u0645 (v2)\u200f", "\u200e\u0645.csv", "\u061c\u0645"])
    def test_a_name_may_be_written_from_right_to_left(self, editor: User, name: str) -> None:
        created = Caller(editor).post("/models", {**GOOD, "name": name, "tags": [name]}).json()

        assert (created["name"], created["tags"]) == (name, [name])

    @pytest.mark.parametrize("missing", GOOD)
    def test_missing_fields_are_named(self, editor: User, missing: str) -> None:
        body = {name: value for name, value in GOOD.items() if name != missing}

        assert faults(Caller(editor).post("/models", body)) == [(missing, "required")]

    def test_all_errors_are_reported_at_once(self, editor: User) -> None:
        answer = Caller(editor).post("/models", {"name": "", "task_type": "x", "id": 1})

        assert {field for field, _ in faults(answer)} == {"organization", "name", "task_type", "id"}

    def test_names_are_unique_within_an_organization(
        self, editor: User, superuser: User, outsider: User, model: RegisteredModel
    ) -> None:
        assert refusal(Caller(editor).post("/models", {**GOOD, "name": "churn"})) == (409, "conflict")
        globex = Caller(superuser).post("/models", {**GOOD, "name": "churn", "organization": "globex"})
        assert globex.status_code == 201

    @pytest.mark.parametrize("name", ["vera", "otto"])
    def test_only_editors_register_models(self, viewer: User, outsider: User, name: str) -> None:
        answer = Caller(User.objects.get(username=name)).post("/models", GOOD)

        assert refusal(answer) == (403, "permission_denied")
        assert "organization:editor" in answer.json()["detail"]
        assert not RegisteredModel.objects.exists()


@pytest.fixture
def many(acme: Organization, outsider: User) -> dict[str, RegisteredModel]:
    """Five models of Acme's in each state, and one of Globex's."""
    globex = Organization.objects.get(slug="globex")
    models = {
        name: RegisteredModel.objects.create(organization=acme, name=name, task_type=task_type, description=text)
        for name, task_type, text in [
            ("alpha", "classification", "the first"),
            ("beta", "regression", "100% sure_thing"),
            ("gamma", "ranking", ""),
            ("delta", "classification", "back\\slash"),
            ("echo", "clustering", "Ünïcode"),
        ]
    }
    models["foreign"] = RegisteredModel.objects.create(
        organization=globex, name="alpha", task_type="classification", description="the first"
    )
    Version.objects.create(model=models["beta"], number=1)
    completed_version(models["gamma"], number=1)
    Version.objects.create(model=models["delta"], number=1, state="failed")
    models["echo"].archived_at = models["echo"].created_at
    models["echo"].save()
    return models


@pytest.mark.usefixtures("many")
class TestFinding:
    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({}, "echo delta gamma beta alpha"),
            ({"ordering": "-created_at"}, "echo delta gamma beta alpha"),
            ({"ordering": "created_at"}, "alpha beta gamma delta echo"),
            ({"ordering": "name"}, "alpha beta delta echo gamma"),
            ({"ordering": "-name"}, "gamma echo delta beta alpha"),
            ({"organization": "acme", "ordering": "name"}, "alpha beta delta echo gamma"),
            ({"organization": "globex"}, ""),
            ({"organization": "nope"}, ""),
            ({"task_type": "classification"}, "delta alpha"),
            ({"state": "draft"}, "delta alpha"),
            ({"state": "training"}, "beta"),
            ({"state": "ready"}, "gamma"),
            ({"state": "archived"}, "echo"),
            ({"name": "alpha"}, "alpha"),
            ({"name": "alph"}, ""),
            ({"name": "ALPHA"}, ""),
            ({"search": "ALPH"}, "alpha"),
            ({"search": "first"}, "alpha"),
            ({"search": "%"}, "beta"),
            ({"search": "sure_"}, "beta"),
            ({"search": "\\"}, "delta"),
            ({"search": "'; DROP TABLE models_registry_user; --"}, ""),
            ({"task_type": "classification", "state": "draft", "search": "back"}, "delta"),
        ],
    )
    def test_models_can_be_filtered_and_ordered(self, viewer: User, query: dict[str, str], names: str) -> None:
        results = Caller(viewer).get("/models", query).json()["results"]

        assert [each["name"] for each in results] == names.split()

    def test_models_are_found_by_a_part_of_the_id(self, viewer: User, many: dict[str, RegisteredModel]) -> None:
        results = Caller(viewer).get("/models", {"search": many["gamma"].pk[4:].upper()}).json()["results"]

        assert [each["model_id"] for each in results] == [many["gamma"].pk]

    @pytest.mark.parametrize("query", ["task_type=x", "task_type=", "state=", "state=Ready", "state=completed"])
    @pytest.mark.parametrize("also", ["", "&name=alpha"])
    def test_an_invalid_filter_value_is_refused_by_name(self, viewer: User, query: str, also: str) -> None:
        answer = Caller(viewer).get(f"/models?{query}{also}")

        assert {field for field, _ in faults(answer)} == {query.partition("=")[0]}

    @pytest.mark.parametrize(
        "query",
        [
            "name=",
            "search=",
            "organization=",
            "name=%20",
            "search=%20%20",
            "organization=%09",
            "ordering=",
            "ordering=id",
            "ordering=name,created_at",
            "ordering=--name",
        ]
        + [f"search={'x' * 201}", f"name={'x' * 201}", "search=a&search=b", "ordering=name&ordering=-name"],
    )
    def test_an_invalid_parameter_is_named(self, viewer: User, query: str) -> None:
        answer = Caller(viewer).get(f"/models?{query}")

        assert [field for field, _ in faults(answer)] == [query.partition("=")[0]]
        assert answer.json()["code"] == "invalid_parameter"

    @pytest.mark.parametrize("name", ["tasktype", "organization__slug", "promoted_version", "id", "search[]", "q"])
    def test_an_unknown_parameter_is_named(self, viewer: User, name: str) -> None:
        answer = Caller(viewer).get("/models", {name: "x"})

        assert faults(answer) == [(name, "unknown")]
        assert answer.json()["code"] == "unknown_parameter"

    def test_a_token_without_the_scope_to_read_lists_no_models(self, viewer: User) -> None:
        answer = Caller(viewer, frozenset({Scope.MODEL_WRITE})).get("/models")

        assert refusal(answer) == (403, "permission_denied")


class TestChanging:
    def test_an_editor_changes_name_description_and_tags(self, editor: User, model: RegisteredModel) -> None:
        change = {"name": "churn-2", "description": "better", "tags": ["a"]}

        answer = Caller(editor).patch(f"/models/{model.pk}", change)

        assert answer.status_code == 200
        assert {name: answer.json()[name] for name in change} == change
        assert Caller(editor).get(f"/models/{model.pk}").json() == answer.json()
        assert answer["ETag"] == Caller(editor).get(f"/models/{model.pk}")["ETag"]

    @pytest.mark.parametrize("name", ["model_id", "organization", "task_type", "state", "created_by", "archived_at"])
    def test_read_only_fields_are_refused_as_unknown(self, admin: User, model: RegisteredModel, name: str) -> None:
        before = Caller(admin).get(f"/models/{model.pk}").content

        assert faults(Caller(admin).patch(f"/models/{model.pk}", {name: "x", "description": "y"})) == [
            (name, "unknown_field")
        ]
        assert Caller(admin).get(f"/models/{model.pk}").content == before

    def test_renaming_to_an_existing_name_is_a_conflict(
        self, editor: User, model: RegisteredModel, empty_model: RegisteredModel
    ) -> None:
        assert refusal(Caller(editor).patch(f"/models/{model.pk}", {"name": "prices"})) == (409, "conflict")
        assert Caller(editor).patch(f"/models/{model.pk}", {"name": "churn"}).status_code == 200


class TestArchiving:
    def test_an_archived_model_reads_as_before_and_takes_no_writes(self, admin: User, model: RegisteredModel) -> None:
        ada, path = Caller(admin), f"/models/{model.pk}"
        summary = ada.get(f"{path}/performance/summary").content
        training = ada.post(f"{path}/versions").json()["version_id"]

        assert ada.delete(path).status_code == 204

        assert ada.get(path).json()["state"] == "archived"
        assert ada.get(path).json()["archived_at"]
        assert ada.get(f"{path}/performance/summary").content == summary
        writes = [
            ada.patch(path, {"description": "x"}),
            ada.post(f"{path}/versions"),
            ada.patch(f"{path}/versions/{training}", {"state": "completed"}),
            ada.post(f"{path}/versions/ver-001a1/snapshots", {"dataset_split": "test", "metrics": {"accuracy": 1}}),
            ada.post(f"{path}/versions/ver-001a1/promote"),
            ada.post(f"{path}/rollback"),
            ada.post(f"{path}/grants", {"username": "ada", "scope": "model:read"}),
        ]
        assert [refusal(answer) for answer in writes] == [(409, "conflict")] * len(writes)

    def test_archiving_again_changes_nothing(self, admin: User, model: RegisteredModel) -> None:
        ada, path = Caller(admin), f"/models/{model.pk}"
        ada.delete(path)
        archived = ada.get(path).content

        assert ada.delete(path).status_code == 204
        assert ada.get(path).content == archived

    def test_only_admins_archive_models(self, editor: User, model: RegisteredModel) -> None:
        answer = Caller(editor).delete(f"/models/{model.pk}")

        assert refusal(answer) == (403, "permission_denied")
        assert "organization:admin" in answer.json()["detail"]


class TestState:
    def test_the_state_follows_from_the_versions(self, editor: User, empty_model: RegisteredModel) -> None:
        ed, path = Caller(editor), f"/models/{empty_model.pk}"

        def state() -> str:
            return str(ed.get(path).json()["state"])

        assert state() == "draft"
        first = ed.post(f"{path}/versions").json()["version_id"]
        assert state() == "training"
        ed.patch(f"{path}/versions/{first}", {"state": "failed"})
        assert state() == "draft"
        second = ed.post(f"{path}/versions").json()["version_id"]
        ed.patch(f"{path}/versions/{second}", {"state": "completed"})
        assert state() == "ready"
        ed.post(f"{path}/versions")
        assert state() == "training"
