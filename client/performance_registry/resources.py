"""What models and versions share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from performance_registry.connections import AsyncConnection, Connection
from performance_registry.errors import RegistryError, read_answer
from performance_registry.requests import Operation
from performance_registry.verdicts import Verdict

_RENDERED = ("application/xml", "text/xml", "text/markdown", "text/html")


@dataclass(frozen=True)
class GateDocument:
    """A verdict as the registry renders it, such as JUnit XML, and whether it refuses the version."""

    text: str
    refuses: bool


class Resource:
    """Something of the registry. Its private generators are what its operations are made of."""

    _connection: Connection | AsyncConnection

    def _call(self, method: str, path: str, **parts: Any) -> Operation[httpx.Response]:
        return self._connection.caller.call(method, path, **parts)

    def _ask(self, method: str, path: str, **parts: Any) -> Operation[dict[str, Any]]:
        return read_answer((yield from self._call(method, path, **parts)))

    def _rows(self, path: str, params: dict[str, Any]) -> Operation[list[dict[str, Any]]]:
        """Return the rows of all pages of a list."""
        rows: list[dict[str, Any]] = []
        following, read = "?", set[str]()
        while following:
            read.add(following)
            params |= dict(parse_qsl(urlsplit(following).query))
            page = yield from self._ask("GET", path, params=params)
            following = str(page["next"] or "")
            found = page["results"]
            if following in read or not (isinstance(found, list) and all(isinstance(each, dict) for each in found)):
                raise RegistryError(f"{path} is no list that ends. It may come from something else than a registry.")
            rows += found
        return rows

    def _judge(
        self, model_id: str, version_id: str | None, policy: Mapping[str, Any] | None, enforce: bool
    ) -> Operation[Verdict]:
        params = {"version_id": version_id, "enforce": "true" if enforce else None}
        return Verdict.from_document((yield from self._ask(*_gate(model_id, policy), params=params, body=policy)))

    def _render_verdict(
        self, model_id: str, version_id: str | None, policy: Mapping[str, Any] | None, format: str
    ) -> Operation[GateDocument]:
        params = {"version_id": version_id, "enforce": "true", "format": format}
        parts: dict[str, Any] = {"params": params, "body": policy, "accepted": _RENDERED}
        response = yield from self._call(*_gate(model_id, policy), **parts)
        return GateDocument(response.text, response.status_code == 409)


def _gate(model_id: str, policy: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return the method and the path that ask the gate."""
    return "GET" if policy is None else "POST", f"/models/{model_id}/performance/gate"
