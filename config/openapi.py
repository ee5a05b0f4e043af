"""The OpenAPI document: every operation with every problem that it may answer, each with an example."""

from typing import Any

import uritemplate
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from config.problems import CONTENT_TYPE, PROBLEMS, document
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.registry import ids

ALWAYS = (
    "method_not_allowed",
    "not_acceptable",
    "throttled",
    "header_too_large",
    "internal_error",
    "service_unavailable",
)
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

LOCATION = {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}
REPLAYED = {
    "Idempotency-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "There when this is the answer to an earlier request of the same key.",
    }
}
IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
    "description": "The same key and body within 24 hours get the same answer, and do nothing again.",
}
PATH_PARAMETERS = {
    "model_id": {"type": "string", "pattern": f"^{ids.MODEL_ID_PATTERN}$"},
    "version_id": {"type": "string", "pattern": f"^{ids.VERSION_ID_PATTERN}$"},
    "slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]{1,63}$"},
    "username": {"type": "string", "minLength": 1, "maxLength": 150},
    "grant_id": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "snapshot_id": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "evaluation_id": {"type": "string", "format": "uuid"},
    "webhook_id": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "badge_id": {"type": "string", "pattern": "^[0-9]{1,18}$"},
}

# The problems of any route of the registry, of a parameter of its path, of its end, of an action, and of a method.
CALLER_CODES = ("unknown_parameter", "not_authenticated", "invalid_token", "token_expired", "permission_denied")
CODES_OF = {
    "slug": ("not_found",),
    "model_id": ("model_not_found",),
    "version_id": ("version_not_found",),
    "grant_id": ("not_found",),
    "snapshot_id": ("snapshot_not_found",),
    "evaluation_id": ("not_found",),
    "webhook_id": ("not_found",),
    "badge_id": ("not_found",),
    "list": ("invalid_parameter",),
    "promote": ("gate_failed",),
    "roll_back": ("gate_failed",),
    "evaluations": ("unprocessable_predictions",),
    "retrieve gate-policy": ("not_found",),
    "destroy gate-policy": ("not_found",),
    "GET": ("precondition_failed",),
    "PATCH": ("invalid_body", "conflict", "precondition_failed"),
    "PUT": ("invalid_body", "conflict", "precondition_failed"),
    "DELETE": ("conflict", "precondition_failed"),
    "POST": ("invalid_parameter", "invalid_body", "conflict", "idempotency_in_progress", "idempotency_mismatch"),
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
        "verdict": {"type": "object", "additionalProperties": {}, "description": "Of a gate that failed: why."},
        "column": {"type": "string", "description": "Of predictions that cannot be scored: where."},
        "row": {"type": "integer", "minimum": 1, "description": "Of predictions that cannot be scored: where."},
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

    target_class = "models_registry.tokens.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ProblemAutoSchema(AutoSchema):
    """Adds the problems that a view declares in `problem_codes`, and those that any view may answer.

    A viewset declares the serializers of its bodies in `input_serializers`.
    """

    def get_request_serializer(self) -> Any:
        """Return the serializer of the body."""
        inputs = getattr(self.view, "input_serializers", None)
        return super().get_request_serializer() if inputs is None else inputs.get(getattr(self.view, "action", None))

    def get_response_serializers(self) -> Any:
        """Return the serializer of the response, which is not that of the body."""
        return getattr(self.view, "serializer_class", None) or super().get_response_serializers()

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        return [{"name": name, "in": "path", "required": True, "schema": PATH_PARAMETERS[name]} for name in variables]

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return the operation with its problem responses."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        codes = [*self._codes(), *ALWAYS, *(WITH_BODY if "requestBody" in operation else ())]
        problem = self._problem_component().ref
        for response in operation["responses"].values():
            response["headers"] = {**response.get("headers", {}), **REQUEST_ID}
        caching = {**CACHING, **getattr(self.view, "caching", {}), **REQUEST_ID}
        if "precondition_failed" in codes:
            _document_conditions(operation, caching, reading=self.method == "GET")
        if "idempotency_mismatch" in codes:
            _document_idempotency(operation, caching)
        for status in sorted({PROBLEMS[code].status for code in codes}):
            examples = {code: self._example(code) for code in codes if PROBLEMS[code].status == status}
            operation["responses"][str(status)] = {
                "description": "; ".join(PROBLEMS[code].title for code in examples),
                "headers": {**HEADERS.get(status, {}), **REQUEST_ID},
                "content": {CONTENT_TYPE: {"schema": problem, "examples": examples}},
            }
        return operation

    def _codes(self) -> list[str]:
        """Return the problems of the view, which those of the registry need not declare."""
        if not isinstance(self.view, OrganizationScopedViewSet):
            return [*getattr(self.view, "problem_codes", ())]
        end = self.path.rpartition("/")[2]
        action = self.view.action or ""
        names = [*uritemplate.variables(self.path), end, action, f"{action} {end}", self.method]
        return list(dict.fromkeys([*CALLER_CODES, *(code for name in names for code in CODES_OF.get(name, ()))]))

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


def _document_conditions(operation: dict[str, Any], headers: dict[str, Any], *, reading: bool) -> None:
    """Add the headers by which a caller asks whether what it knows still holds, and what comes of them."""
    conditions = CONDITIONS if reading else {"If-Match": CONDITIONS["If-Match"]}
    operation.setdefault("parameters", []).extend(
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": meaning}
        for name, meaning in conditions.items()
    )
    if "200" in operation["responses"]:  # to which a removal has nothing to say
        operation["responses"]["200"]["headers"] = headers
    if reading:
        operation["responses"]["304"] = {"description": "The caller has the present answer.", "headers": headers}


def _document_idempotency(operation: dict[str, Any], headers: dict[str, Any]) -> None:
    """Add the header by which a request may be repeated, and those of an answer to what was done."""
    operation.setdefault("parameters", []).append(IDEMPOTENCY)
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            location = LOCATION if status == "201" else {}
            response["headers"] = {**response["headers"], **headers, **location, **REPLAYED}
