"""The OpenAPI document: every operation with every problem that it may answer, each with an example."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from config.problems import CONTENT_TYPE, PROBLEMS, document

ALWAYS = ("method_not_allowed", "not_acceptable", "throttled", "internal_error", "service_unavailable")
WITH_BODY = ("payload_too_large", "unsupported_media_type")
WITH_ERRORS = {"invalid_parameter", "unknown_parameter", "invalid_body"}
HEADERS: dict[int, dict[str, Any]] = {
    405: {"Allow": {"schema": {"type": "string"}}},
    401: {"WWW-Authenticate": {"schema": {"type": "string", "enum": ["Bearer"]}}},
    429: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}
REQUEST_ID = {"X-Request-ID": {"schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}}}
_ETAG = {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}
CACHING = {
    "ETag": {"schema": _ETAG, "description": "Changes when the answer does."},
    "Cache-Control": {"schema": {"type": "string", "enum": ["private, no-cache"]}},
    "Vary": {"schema": {"type": "string", "enum": ["Authorization"]}},
}
CONDITIONS = {
    "If-None-Match": "ETags that the caller has: 304 when the answer's is one of them.",
    "If-Match": "ETags that the caller expects: 412 when the answer's is none of them.",
}

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "What went wrong, and what to do next (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "`urn:problem:` and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do next."},
        "instance": {"type": "string", "description": "The request's path."},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Each fault of invalid input.",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
                "required": ["field", "code", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a caller authenticates."""

    target_class = "models_registry.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ProblemAutoSchema(AutoSchema):
    """Adds the problems that a view declares in `problem_codes`, and those that any view may answer."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return the operation with its problem responses."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        codes = [*getattr(self.view, "problem_codes", ()), *ALWAYS, *(WITH_BODY if "requestBody" in operation else ())]
        problem = self._problem_component().ref
        for response in operation["responses"].values():
            response["headers"] = {**response.get("headers", {}), **REQUEST_ID}
        if "precondition_failed" in codes:
            _document_caching(operation)
        for status in sorted({PROBLEMS[code].status for code in codes}):
            examples = {code: self._example(code) for code in codes if PROBLEMS[code].status == status}
            operation["responses"][str(status)] = {
                "description": "; ".join(PROBLEMS[code].title for code in examples),
                "headers": {**HEADERS.get(status, {}), **REQUEST_ID},
                "content": {CONTENT_TYPE: {"schema": problem, "examples": examples}},
            }
        return operation

    def _example(self, code: str) -> dict[str, Any]:
        errors = [
            {"field": "dataset_split", "code": "invalid_choice", "detail": "Must be one of train, validation, test."}
        ]
        value = document(self.path, code, errors=errors if code in WITH_ERRORS else None)
        return {"value": {**value, "request_id": "0f8fad5bd9cb469fa16570867728950e"}}

    def _problem_component(self) -> ResolvedComponent:
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            "Problem", ResolvedComponent.SCHEMA, schema=PROBLEM_SCHEMA, object="Problem"
        )
        self.registry.register_on_missing(component)
        return component


def _document_caching(operation: dict[str, Any]) -> None:
    """Add the headers by which a caller asks whether an answer still holds, and what comes of them."""
    operation["parameters"] += [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": meaning}
        for name, meaning in CONDITIONS.items()
    ]
    headers = {**CACHING, **REQUEST_ID}
    operation["responses"]["200"]["headers"] = headers
    operation["responses"]["304"] = {"description": "The caller has the present answer.", "headers": headers}
