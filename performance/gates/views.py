"""Verdicts of gates over HTTP."""

from typing import cast

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from models_registry.accounts.scopes import Scope
from models_registry.api.errors import (
    ConflictError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    InvalidBodyError,
    PreconditionFailedError,
)
from models_registry.api.etags import encode_json, etag_of, not_modified_or, with_etag
from models_registry.api.idempotency import HEADER, check_key
from models_registry.api.renderers import HTMLRenderer, MarkdownRenderer
from models_registry.api.viewsets import ListModelMixin, NamedFormatMixin
from models_registry.registry.errors import GateFailedError, ModelNotFoundError
from models_registry.registry.viewsets import RegistryViewSet
from models_registry.tokens.jwt import Caller
from performance.gates.models import GateVerdict
from performance.gates.renderers import RENDERERS
from performance.gates.selectors import GateContext, may_write, read_gate
from performance.gates.serializers import (
    GateQuerySerializer,
    PolicyInput,
    StoredVerdictSerializer,
    VerdictSerializer,
)
from performance.gates.services import (
    refuse_invalid,
    store_enforced_verdict,
)
from performance.gates.verdict import Verdict
from performance.gates.verdict_json import ANY_TIME, encode_verdict
from performance.snapshots.errors import VERSION_ERRORS
from performance.snapshots.viewsets import PerformanceReadViewSet


class JUnit(BaseRenderer):
    """JUnit XML, which CI systems show."""

    media_type, format = "application/xml", "junit"


class TextXML(JUnit):
    """The same under its other name."""

    media_type = "text/xml"


TEXTS = (HTMLRenderer, JUnit, TextXML, MarkdownRenderer)
VERDICT = {
    (200, JSONRenderer.media_type): VerdictSerializer,
    **{(status, each.media_type): str for status in (200, 409) for each in TEXTS},  # in JSON, a refusal is a problem
}


class GateViewSet(NamedFormatMixin, PerformanceReadViewSet):
    """Whether a version may ship. The order of checks is that of every read of performance."""

    http_method_names = ["get", "head", "post"]
    renderer_classes = (JSONRenderer, *TEXTS)  # a browser takes XML as well
    errors = {
        "gate": (*VERSION_ERRORS, ConflictError, GateFailedError),
        "judge": (
            *(error for error in VERSION_ERRORS if error is not PreconditionFailedError),
            InvalidBodyError,
            ConflictError,
            GateFailedError,
            IdempotencyInProgressError,
            IdempotencyMismatchError,
        ),
    }
    query_serializers = {"gate": GateQuerySerializer(), "judge": GateQuerySerializer()}
    caching = {
        "ETag": {
            "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
            "description": "Changes if anything but `judged_at` changes. With `enforce=true`, conditions are ignored.",
        },
        "Vary": {"schema": {"type": "string", "enum": ["Authorization, Accept"]}},
    }

    @extend_schema(
        operation_id="get_gate", tags=["gates"], summary="Gate", parameters=[GateQuerySerializer], responses=VERDICT
    )
    def gate(self, request: Request, model_id: str) -> HttpResponse:
        """Judge a version by the policy of its model or organization. With `enforce=true`, a failed gate is 409."""
        found = self.read_gate(model_id)
        if self.is_text or self.query["enforce"] == "true":
            return self.respond(found.verdict(), found)
        judged_at = timezone.now()
        verdict = found.verdict_json(judged_at)
        return self.not_modified_or(verdict.body(judged_at), verdict.etag)

    @extend_schema(
        operation_id="judge_by_policy",
        tags=["gates"],
        summary="Gate by another policy",
        parameters=[GateQuerySerializer],
        request=PolicyInput,
        responses=VERDICT,
    )
    def judge(self, request: Request, model_id: str) -> HttpResponse:
        """Judge a version by the policy that is sent, which is not stored."""
        check_key(request)
        found = self.read_gate(model_id)  # before the body is read
        body = PolicyInput(data=request.data)
        body.is_valid(raise_exception=True)
        policy = body.validated_data["policy"]
        refuse_invalid(policy, [found.task_type], model_id=model_id)
        content = request.data, {**self.query, "format": self.renderer.format}
        first = self.stored_response(content)
        if first is not None:
            return first
        verdict = found.verdict_by(policy)  # which may compare examples: not in a transaction
        if HEADER not in request.headers:
            return self.respond(verdict, found)
        return self.run_idempotent(lambda: self.respond(verdict, found), body=content)

    @property
    def renderer(self) -> BaseRenderer:
        """The form that is asked for."""
        renderer: BaseRenderer = self.request.accepted_renderer
        return renderer

    @property
    def is_text(self) -> bool:
        """Whether the form that is asked for is not JSON."""
        return self.renderer.format in RENDERERS

    def read_gate(self, model_id: str) -> GateContext:
        """Return what a verdict needs, if the caller may read it."""
        found = read_gate(
            caller=cast(Caller, self.request.user), model_id=model_id, version_id=self.query.get("version_id")
        )
        self.check_object_permissions(self.request, found)
        return found

    def respond(self, verdict: Verdict, found: GateContext) -> HttpResponse:
        """Return a verdict in the requested form. An enforced verdict is stored, except by HEAD.

        Raises `ConflictError` if it would be stored, but the model is archived.
        """
        enforced = self.query["enforce"] == "true"
        if enforced and found.archived:
            raise ConflictError(
                f"{verdict.model_id} is archived, so that no verdict on it counts. Ask without enforce."
            )
        if enforced and self.stores_verdict(found):
            store_enforced_verdict(verdict, requested_by=found.username)
        if not enforced:
            return self.not_modified_or(*self.encode_with_etag(verdict))
        if verdict.refuses and not self.is_text:
            failed = GateFailedError(f"{verdict.detail} See `verdict`.", verdict.as_document())
            return self.handle_exception(failed)  # not raised, as that would undo what is stored
        status = 409 if verdict.refuses else 200
        return with_etag(self.encode(verdict), content_type=self.content_type, status=status)

    def stores_verdict(self, found: GateContext) -> bool:
        """Return whether an enforced verdict is stored.

        A caller can send any number of policies, so that a verdict by such a policy is stored only for a caller who may
        write.
        """
        if self.action == "judge":
            return may_write(cast(Caller, self.request.user), found.reading.model_id)
        return self.request.method != "HEAD"

    def not_modified_or(self, body: bytes, etag: str) -> HttpResponse:
        """Return a verdict, or 304 to a GET if the caller has one that differs only in `judged_at`.

        Raises `PreconditionFailedError`.
        """
        response = HttpResponse(body, content_type=self.content_type, headers={"ETag": etag})
        return response if self.request.method == "POST" else not_modified_or(self.request, response)

    def encode_with_etag(self, verdict: Verdict) -> tuple[bytes, str]:
        """Return the body of a response with a verdict, and its ETag, which does not depend on `judged_at`."""
        if self.is_text:
            return self.encode(verdict), etag_of(self.encode(verdict._replace(judged_at=ANY_TIME)))
        found = encode_verdict(verdict)
        return found.body(verdict.judged_at), found.etag

    def encode(self, verdict: Verdict) -> bytes:
        """Return the body of a response with a verdict, in the requested form."""
        if not self.is_text:
            return encode_json(verdict.as_document())
        return RENDERERS[self.renderer.format](verdict).encode()

    @property
    def content_type(self) -> str:
        """The type of the body, with the encoding of texts."""
        name = self.renderer.media_type
        return f"{name}; charset=utf-8" if self.is_text else name


@extend_schema_view(
    list=extend_schema(
        operation_id="list_verdicts",
        tags=["gates"],
        summary="List verdicts",
        description=(
            "Return the stored verdicts on versions of the model, newest first: those on promotions, also refused "
            "ones, and those of requests with `enforce=true`."
        ),
    )
)
class VerdictViewSet(ListModelMixin, RegistryViewSet):
    """The verdicts that counted."""

    queryset = GateVerdict.objects.all()
    serializer_class = StoredVerdictSerializer
    large_columns = ("document",)
    ordering = ("-pk",)
    scopes = {"list": Scope.MODEL_READ}
    errors = (ModelNotFoundError,)

    def get_queryset(self) -> QuerySet[GateVerdict]:
        """Return the verdicts on the model that the URL names."""
        return super().get_queryset().filter(model=self.get_model())
