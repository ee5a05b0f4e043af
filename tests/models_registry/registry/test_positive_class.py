"""The positive class that a model declares."""

import pytest

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.api import Caller, faults, refusal
from tests.factories import snapshot

pytestmark = pytest.mark.django_db
MODEL = "/models/mdl-7f3a19bc92"
NEW = {"organization": "acme", "name": "spam", "task_type": "classification"}


@pytest.fixture
def ed(editor: User, model: RegisteredModel) -> Caller:
    return Caller(editor)


def test_a_new_model_may_declare_one(ed: Caller) -> None:
    answer = ed.post("/models", {**NEW, "positive_class": "spam"})

    assert answer.status_code == 201
    assert answer.json()["positive_class"] == "spam"
    assert ed.get(answer["Location"]).json()["positive_class"] == "spam"


def test_without_one_it_is_null(ed: Caller) -> None:
    assert ed.post("/models", NEW).json()["positive_class"] is None


@pytest.mark.parametrize("value", ["", 1, True, ["yes"], "x" * 1001])
def test_a_malformed_one_is_refused(ed: Caller, value: object) -> None:
    assert [field for field, _ in faults(ed.post("/models", {**NEW, "positive_class": value}))] == ["positive_class"]


def test_a_model_without_classes_has_none(ed: Caller) -> None:
    answer = ed.post("/models", {**NEW, "task_type": "regression", "positive_class": "spam"})

    assert faults(answer) == [("positive_class", "not_available")]
    assert not RegisteredModel.objects.filter(name="spam").exists()
    RegisteredModel.objects.filter(pk="mdl-7f3a19bc92").update(task_type="regression")
    assert faults(ed.patch(MODEL, {"positive_class": "yes"})) == [("positive_class", "not_available")]


def test_it_may_change_while_nothing_has_been_computed(ed: Caller) -> None:
    assert ed.patch(MODEL, {"positive_class": "yes"}).json()["positive_class"] == "yes"
    assert ed.patch(MODEL, {"positive_class": None}).json()["positive_class"] is None


def test_it_stays_once_metrics_have_been_computed(ed: Caller, model: RegisteredModel) -> None:
    ed.patch(MODEL, {"positive_class": "yes"})
    snapshot(model.versions.get(), metrics={"accuracy": 0.5}, source="computed")

    for other in ("no", None):
        assert refusal(ed.patch(MODEL, {"positive_class": other, "name": "renamed"})) == (409, "conflict")
    body = ed.patch(MODEL, {"positive_class": "yes", "description": "the same"}).json()
    assert (body["positive_class"], body["description"], body["name"]) == ("yes", "the same", "churn")
