"""A summary's request is freed with its response: the garbage collector need not find it.

Other requests create serializers, whose fields refer back to them.
"""

import gc
import weakref
from collections.abc import Iterator

import pytest
from django.test import Client, RequestFactory
from django.urls import resolve

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.conftest import authenticated

SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("path", [SUMMARY, f"{SUMMARY}?unknown=1", SUMMARY.replace("7f3a", "0000")])
@pytest.mark.parametrize("has_token", [True, False])
def test_a_request_is_freed_with_its_response(
    viewer: User, model: RegisteredModel, without_collector: None, path: str, method: str, has_token: bool
) -> None:
    client = authenticated(viewer) if has_token else Client()
    request = getattr(RequestFactory(), method)(path, **client.defaults)
    view, arguments = resolve(request.path_info).func, resolve(request.path_info).kwargs
    response = view(request, **arguments)
    assert response.status_code in ({200, 404, 400} if has_token else {401})
    left = weakref.ref(request)

    del request, response

    assert left() is None
