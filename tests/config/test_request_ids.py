"""`X-Request-ID`: the caller's, if it is well-formed."""

import pytest
from django.test import Client

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.conftest import authenticated
from tests.performance.snapshots.summaries import summary_url


@pytest.fixture
def reader(viewer: User) -> Client:
    """A client of Vera, who may read the model."""
    return authenticated(viewer)


@pytest.mark.parametrize("request_id", ["a", "ci-run.42_7", "x" * 64])
def test_a_well_formed_request_id_is_the_callers(reader: Client, model: RegisteredModel, request_id: str) -> None:
    response = reader.get(summary_url(model), headers={"X-Request-ID": request_id})

    assert response["X-Request-ID"] == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 65, "a b", "a\tb", "é", "a/b"])
def test_a_malformed_request_id_is_replaced(reader: Client, model: RegisteredModel, request_id: str) -> None:
    response = reader.get(summary_url(model), headers={"X-Request-ID": request_id})

    assert response["X-Request-ID"] != request_id
    assert len(response["X-Request-ID"]) == 32
