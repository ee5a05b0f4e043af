"""Calling the API, as tests of more than one route do."""

import json
import re
from typing import Any

from django.test import Client

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES, Scope
from tests.conftest import authenticated

BASE = "/api/v1"
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id"}
INTERNALS = ("Traceback", "Error", "sys.", "SELECT", "site-packages")
_MOMENTS = {"created_at", "completed_at", "promoted_at", "archived_at", "started_at", "finished_at"}
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Caller:
    """Someone who calls the API, by default without a token. Paths are below `/api/v1`; bodies are sent as JSON."""

    def __init__(self, user: User | None = None, scope: frozenset[Scope] = ALL_SCOPES) -> None:
        self.client = Client() if user is None else authenticated(user, scope)

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        """Ask for what is there."""
        return self.client.get(f"{BASE}{path.removeprefix(BASE)}", query, headers=_headers(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """Send a new thing."""
        return self._send("POST", path, {} if body is None else body, headers)

    def put(self, path: str, body: Any, **headers: str) -> Any:
        """Set a thing."""
        return self._send("PUT", path, body, headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        """Change a thing."""
        return self._send("PATCH", path, body, headers)

    def delete(self, path: str, **headers: str) -> Any:
        """Have a thing no more."""
        return self._send("DELETE", path, None, headers)

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = "" if body is None else json.dumps(body)
        return self.client.generic(
            method, f"{BASE}{path.removeprefix(BASE)}", data, "application/json", headers=_headers(headers)
        )


def refusal(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem, having checked its form, and that it shows nothing of the inside."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    body = answer.json()
    assert set(body) >= MEMBERS
    assert body["status"] == answer.status_code
    assert body["instance"].startswith("/")
    assert body["type"] == f"urn:problem:{body['code']}"
    assert body["request_id"] == answer["X-Request-ID"]
    assert body["title"]
    assert body["detail"]
    assert not [internal for internal in INTERNALS if internal in body["detail"]]
    return answer.status_code, body["code"]


def faults(answer: Any) -> list[tuple[str, str]]:
    """Return field and code of each fault of a 400."""
    assert answer.status_code == 400, answer.content
    refusal(answer)
    assert all(fault["detail"] for fault in answer.json()["errors"])
    return [(fault["field"], fault["code"]) for fault in answer.json()["errors"]]


def masked(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body in which what differs from run to run, ids and the moments of writing, is its name alone."""
    return {name: _mask(name, value) for name, value in body.items()}


def _mask(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return masked(value)
    if name == "id":
        assert re.fullmatch("[1-9][0-9]*", value)
        return "<id>"
    if name in _MOMENTS and value is not None:
        assert TIMESTAMP.fullmatch(value)
        return f"<{name}>"
    return value


def _headers(given: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}
