"""Every route says who may use it, and one that does not is closed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.tokens.services import open_token_family

# The views that are not of the REST framework. The admin asks for a log-in of staff in each of its own.
PLAIN_VIEWS = {"", "favicon.ico", "healthz", "readyz", "metrics"}
ADMIN = "admin/"
OPEN_TO_ALL = {
    "api/v1/auth/token",
    "api/v1/auth/token/exchange",
    "api/v1/auth/token/refresh",
    "api/v1/auth/token/revoke",
    "api/schema",
    "api/docs",
    "api/redoc",
}


def routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        else:
            assert isinstance(pattern, URLPattern)
            yield path, pattern.callback


REST_VIEWS: dict[str, type[APIView]] = {path: view.cls for path, view in routes() if hasattr(view, "cls")}
OTHER_VIEWS = [path for path, _ in routes() if path not in REST_VIEWS]


def declares(view: type[APIView]) -> bool:
    """Say whether the view, or a base of it that is ours, names its permissions."""
    own = view.__mro__[: view.__mro__.index(GenericViewSet if issubclass(view, GenericViewSet) else APIView)]
    return any("permission_classes" in vars(base) for base in own) and bool(view.permission_classes)


@pytest.mark.parametrize("path", REST_VIEWS)
def test_a_route_of_the_api_declares_its_permission(path: str) -> None:
    assert declares(REST_VIEWS[path])


@pytest.mark.parametrize("path", REST_VIEWS)
def test_only_logins_and_documentation_need_no_token(path: str) -> None:
    assert (AllowAny in REST_VIEWS[path].permission_classes) == (path in OPEN_TO_ALL)


@pytest.mark.parametrize("path", OTHER_VIEWS)
def test_every_route_outside_the_api_is_listed_here(path: str) -> None:
    assert path in PLAIN_VIEWS or path.startswith(ADMIN)


def test_the_routes_of_this_module_are_complete() -> None:
    assert "api/v1/models/<str:model_id>/performance/summary" in REST_VIEWS
    assert REST_VIEWS.keys() >= OPEN_TO_ALL
    assert set(OTHER_VIEWS) > PLAIN_VIEWS


class Undeclared(APIView):
    """A view whose author forgot to say who may use it."""

    def get(self, request: Request) -> Response:
        """Give everything away."""
        return Response("secret")


def ask_undeclared(**headers: str) -> tuple[int, bytes]:
    answer = Undeclared.as_view()(RequestFactory().get("/", headers=headers))
    return answer.status_code, answer.content


def test_a_view_without_permission_classes_is_detected() -> None:
    assert not declares(Undeclared)


def test_a_view_without_permission_classes_refuses_an_anonymous_caller(db: None) -> None:
    status, content = ask_undeclared()

    assert status == 401
    assert b"secret" not in content


def test_a_view_without_permission_classes_refuses_even_a_superuser(superuser: User) -> None:
    token = open_token_family(user=superuser, scope=ALL_SCOPES).access_token

    status, content = ask_undeclared(Authorization=f"Bearer {token}")

    assert status == 403
    assert b"secret" not in content


VIEWSETS: list[tuple[str, Any]] = [
    (path, view) for path, view in routes() if issubclass(getattr(view, "cls", object), OrganizationScopedViewSet)
]
ACTIONS = [(path, view.cls, method, action) for path, view in VIEWSETS for method, action in view.actions.items()]


@pytest.mark.parametrize(("path", "view", "method", "action"), ACTIONS)
def test_an_action_of_the_registry_names_its_scope_and_its_body(path: str, view: Any, method: str, action: str) -> None:
    assert action in view.scopes
    assert (action in view.input_serializers) == (method in {"post", "put", "patch"})


def test_a_viewset_declares_scopes_and_bodies_of_its_own_actions_only() -> None:
    has = {view: {action for _, other, _, action in ACTIONS if other is view} for _, view, _, _ in ACTIONS}
    for view, actions in has.items():
        assert set(view.scopes) == actions
        assert set(view.input_serializers) <= actions
