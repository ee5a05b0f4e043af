"""What the client raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from performance_registry.text import escape_controls
from performance_registry.verdicts import Verdict


class RegistryError(Exception):
    """The base class of everything that the client raises by itself."""


class CredentialsError(RegistryError):
    """There is no token, or the login has ended."""


class ConnectionFailedError(RegistryError):
    """The registry could not be reached, and the client has stopped trying."""


class EvaluationTimeoutError(RegistryError):
    """An evaluation has not ended in time. It goes on in the registry."""


class CodeHostError(RegistryError):
    """The code host, such as GitHub, did not take a comment or a status."""


@dataclass(frozen=True)
class InvalidField:
    """One invalid field of a request."""

    field: str
    code: str
    detail: str


class ProblemError(RegistryError):
    """The registry refused a request. The attributes are those of its problem document (RFC 9457).

    Attributes:
        type: a stable URN.
        title: the kind of error.
        status: the HTTP status.
        code: stable; decide by it.
        detail: what is wrong, and what to do next.
        errors: the invalid fields, if the input was invalid.
        column: the column of the predictions that cannot be scored, if it is known.
        row: its row, from 1, if it is known.
        request_id: the id of the request in the registry's log.
        document: the whole document.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title", ""))
        self.status = _status(document.get("status"))
        self.code = str(document.get("code", ""))
        self.detail = str(document.get("detail", ""))
        self.errors = tuple(_invalid_fields(document.get("errors")))
        self.column: str | None = document.get("column")
        self.row: int | None = document.get("row")
        self.request_id = str(document.get("request_id", ""))
        super().__init__(self._message())

    def _message(self) -> str:
        lines = [f"{self.detail or self.title} ({self.code or self.status})"]
        lines += [f"  {item.field}: {item.detail}" for item in self.errors]
        return "\n".join(map(escape_controls, lines))


class GateFailedError(ProblemError):
    """The gate refused the version. `verdict` says why."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(document)
        self.verdict = Verdict.from_document(document["verdict"])

    def _message(self) -> str:
        return f"{super()._message()}\n{Verdict.from_document(self.document['verdict'])}"


def problem_error(document: Mapping[str, Any]) -> ProblemError:
    """Return the error that a problem document describes."""
    if not isinstance(document, Mapping):  # of something else than a registry
        return ProblemError({"detail": "The registry does not say why."})
    is_refusal = document.get("code") == "gate_failed" and isinstance(document.get("verdict"), Mapping)
    return GateFailedError(document) if is_refusal else ProblemError(document)


class Answer(dict[str, Any]):
    """A JSON object that the registry answered. Raises `RegistryError` for a member that it lacks."""

    def __missing__(self, name: str) -> Any:
        raise RegistryError(f"The answer has no {name!r}. It may come from something else than a registry.")


def read_answer(response: httpx.Response) -> Answer:
    """Return the JSON object of a response. Raises `ProblemError` if it has none: it may come from something else."""
    document = _json(response)
    if not isinstance(document, dict):
        raise response_error(response)
    return Answer(document)


def response_error(response: httpx.Response) -> ProblemError:
    """Return the error of a response that is no success, also if a proxy made it."""
    document = _json(response)
    if not isinstance(document, dict) or "status" not in document:
        detail = f"{response.request.url.copy_with(query=None)} answered {response.status_code}"
        where = response.headers.get("Location")
        detail += f" and leads to {where}. Use that address of the registry." if where else "; it may be no registry."
        document = {"title": response.reason_phrase, "status": response.status_code, "detail": detail}
    return problem_error(document)


def _json(response: httpx.Response) -> object:
    """Return the JSON of a response, or `None` if it has none."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _status(given: object) -> int:
    return given if isinstance(given, int) else 0


def _invalid_fields(given: object) -> Iterator[InvalidField]:
    for item in given if isinstance(given, list) else ():
        if isinstance(item, Mapping):
            yield InvalidField(*(str(item.get(name, "")) for name in ("field", "code", "detail")))
