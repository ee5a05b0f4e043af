"""The check of every exchange against the OpenAPI document finds what it is there to find."""

import json
from typing import Any

import pytest
from rest_framework import serializers

from models_registry.accounts.models import User
from models_registry.api.errors import APIError
from models_registry.api.fields import StrictSerializer
from models_registry.registry.errors import GateFailedError, VersionNotFoundError
from models_registry.registry.models import RegisteredModel
from models_registry.registry.serializers import ModelSerializer
from models_registry.registry.views import ModelViewSet
from tests.conftest import authenticated
from tests.openapi import unchecked


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"secret": 1}, r"Additional properties .*'secret'"),
        ({"name": None}, "name: null is not of type"),
        ({"state": "lost"}, "state: .*lost.* is not one of"),
        ({"created_at": "yesterday"}, "created_at: .* is not a .*date-time"),
        ({"model_id": "7f3a19bc92"}, "model_id: .* does not match"),
    ],
)
def test_a_body_that_is_not_as_documented(
    viewer: User, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], found: str
) -> None:
    represent = ModelSerializer.to_representation
    monkeypatch.setattr(ModelSerializer, "to_representation", lambda *args: {**represent(*args), **change})

    with pytest.raises(AssertionError, match=rf"GET /api/v1/models/{{model_id}} is not as documented[^$]*{found}"):
        authenticated(viewer).get(f"/api/v1/models/{model.pk}")


@pytest.mark.parametrize(
    ("error", "found"),
    [(VersionNotFoundError(), "undocumented code version_not_found"), (GateFailedError(), "undocumented status 409")],
)
def test_an_error_that_is_not_declared(
    viewer: User, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch, error: APIError, found: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ModelViewSet, "retrieve", fail)

    with pytest.raises(AssertionError, match=found):
        authenticated(viewer).get(f"/api/v1/models/{model.pk}")


def test_an_accepted_body_that_is_not_as_documented(editor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StrictSerializer, "to_internal_value", serializers.Serializer.to_internal_value)
    body = {"organization": "acme", "name": "churn", "task_type": "regression", "colour": "red"}

    with pytest.raises(AssertionError, match=r"POST /api/v1/models is not as documented[^$]*'colour'"):
        authenticated(editor).post("/api/v1/models", json.dumps(body), content_type="application/json")


def test_nothing_is_checked_of_a_service_that_is_not_the_documented_one(
    viewer: User, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelSerializer, "to_representation", lambda *_: {"anything": 1})

    with unchecked():
        assert authenticated(viewer).get(f"/api/v1/models/{model.pk}").json() == {"anything": 1}
