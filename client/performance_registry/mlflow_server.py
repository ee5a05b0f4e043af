"""Ask a tracking server of MLflow over its REST API. Its address and login are those of MLflow's own client."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from performance_registry.errors import RegistryError
from performance_registry.requests import Operation, Request, send
from performance_registry.text import check_token, escape_controls

Answer = dict[str, Any]  # JSON
API = "/api/2.0/mlflow"
MISSING, EXISTING = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"
SET_LOGIN = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
_REPEATABLE_POSTS = ("search", "log-batch", "log-inputs", "update", "alias", "set-tag")


class MLflowError(RegistryError):
    """The tracking server refused a request, or is none. `code` is MLflow's, such as `RESOURCE_DOES_NOT_EXIST`."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(escape_controls(message))
        self.code = code


class TrackingServer:
    """A tracking server.

    Args:
        url: its address; by default the variable `MLFLOW_TRACKING_URI`.
        patience: seconds for which a request is repeated while the server is busy or cannot be reached.

    The login is in the environment: `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and
    `MLFLOW_TRACKING_PASSWORD`. Raises `MLflowError` if the address is none of a server, or contains a login.
    """

    def __init__(self, url: str | None, patience: float) -> None:
        self.url = _checked(url or os.environ.get("MLFLOW_TRACKING_URI", ""))
        self._headers = dict(_login(os.environ))
        self._patience = patience

    def ask(self, method: str, path: str, values: Mapping[str, object]) -> Operation[Answer]:
        """Return the JSON that the server answers to a query, or to a body. Raises `MLflowError`."""
        is_repeatable = method != "POST" or path.endswith(_REPEATABLE_POSTS)
        query, body = (values, None) if method == "GET" else ({}, values)
        request = Request(method, f"{self.url}{API}/{path}", query, body, None, None, self._headers, is_repeatable)
        response: httpx.Response = yield from send(request, self._patience)
        document = _json(response)
        if not response.is_success or document is None:
            raise _error(response, path, document or {})
        return document

    def find(self, path: str, values: Mapping[str, object]) -> Operation[Answer | None]:
        """Return the JSON of what may be missing, or `None`. Raises `MLflowError`."""
        try:
            return (yield from self.ask("GET", path, values))
        except MLflowError as error:
            if error.code != MISSING:
                raise
            return None


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise MLflowError("Name a tracking server, such as http://mlflow.internal:5000: MLFLOW_TRACKING_URI.")
    if "@" in parts.netloc:
        raise MLflowError(f"The address must contain no login. {SET_LOGIN}")
    return url.rstrip("/")


def _login(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the header of the login that the environment has. A user name and password come first, as in MLflow."""
    username, password, token = (
        environment.get(f"MLFLOW_TRACKING_{name}", "").strip() for name in ("USERNAME", "PASSWORD", "TOKEN")
    )
    if username and password:
        yield "Authorization", f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"
    elif token:
        check_token(token, "MLFLOW_TRACKING_TOKEN", MLflowError)
        yield "Authorization", f"Bearer {token}"


def _json(response: httpx.Response) -> Answer | None:
    try:
        document = response.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _error(response: httpx.Response, path: str, document: Answer) -> MLflowError:
    if response.status_code in {401, 403}:
        why = f"it needs another login. {SET_LOGIN}"
    else:
        why = str(document.get("message") or "it may be no tracking server")
    code = str(document.get("error_code", ""))
    return MLflowError(f"MLflow answered {response.status_code} to {path}: {why}", code)
