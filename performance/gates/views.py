"""Gates over HTTP: their policies and their verdicts."""

from collections.abc import Callable
from datetime import UTC
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAcceptable
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from models_registry.accounts.scopes import Scope
from models_registry.api.errors import (
    ConflictError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    InvalidBodyError,
    NotFoundError,
    PreconditionFailedError,
)
from models_registry.api.etags import etag_of, json_response, not_modified_or, refuse_lost_update, with_etag
from models_registry.api.idempotency import HEADER, check_key, replayed, run_idempotent
from models_registry.api.viewsets import DELETE_ERRORS, READ_ERRORS, UPDATE_ERRORS
from models_registry.registry.errors import GateFailedError, ModelNotFoundError
from models_registry.registry.viewsets import RegistryViewSet
from performance.gates.models import GatePolicy, GateVerdict
from performance.gates.renderers import RENDERERS
from performance.gates.selectors import GateContext, may_write, read_gate
from performance.gates.serializers import (
    GateQuerySerializer,
    KeptVerdictSerializer,
    PolicyInput,
    PolicySerializer,
    VerdictSerializer,
)
from performance.gates.services import keep_enforced_verdict, refuse_invalid, set_model_policy, set_organization_policy
from performance.gates.verdict import Verdict
from performance.snapshots.errors import VERSION_ERRORS
from performance.snapshots.views import PerformanceViewSet


class PolicyViewSet(RegistryViewSet):
    """The policy of a gate. Each edit is kept as a version of its own."""

    queryset = GatePolicy.objects.all()
    serializer_class = PolicySerializer
    inputs = {"set_policy": PolicyInput}

    @property
    def owner_id(self) -> str:
        """What the URL names the owner by: names of models may come up twice."""
        [owner_id] = self.kwargs.values()
        return str(owner_id)

    def find(self, *, lock: bool = False) -> tuple[Any, GatePolicy | None]:
        """Return whose policy the URL names, and the policy that counts."""
        raise NotImplementedError

    def store(self, owner: Any, **content: Any) -> GatePolicy:
        """Store what the policy of an owner is from now on."""
        raise NotImplementedError

    def show_policy(self) -> HttpResponse:
        """Answer with the policy. Raises `NotFoundError`."""
        return self.show(self.there(self.find()[1]))

    def replace(self) -> HttpResponse:
        """Store the policy that was sent, unless the caller knows another state than the present one."""
        with self.writing():
            owner, present = self.find(lock=True)
            self.refuse_lost_update(present)
            stored = self.store(owner, policy=self.body["policy"], created_by=self.account.username)
            return json_response(self.represent(stored), status=200 if present else 201)

    def withdraw(self) -> HttpResponse:
        """Store that there is no policy any more. Raises `NotFoundError`."""
        with self.writing():
            owner, present = self.find(lock=True)
            withdrawal: dict[str, Any] = {"policy": None, "created_by": self.account.username}
            return self.removed(self.there(present), lambda: self.store(owner, **withdrawal))

    def there(self, present: GatePolicy | None) -> GatePolicy:
        """Return the policy that counts. Raises `NotFoundError`."""
        if present is None:
            raise NotFoundError(f"{self.owner_id} has no gate policy of its own. Set one with PUT.")
        return present

    def refuse_lost_update(self, present: GatePolicy | None) -> None:
        """Refuse to change a policy of which the caller knows another state. Raises `PreconditionFailedError`."""
        if present is not None:
            refuse_lost_update(self.request, self.represent(present))
        elif "If-Match" in self.request.headers:
            raise PreconditionFailedError(f"{self.owner_id} has no gate policy of its own that If-Match could name.")


class ModelPolicyViewSet(PolicyViewSet):
    """A model's own policy."""

    scopes = {
        "get_policy": Scope.MODEL_READ,
        "set_policy": Scope.ORGANIZATION_ADMIN,
        "withdraw_policy": Scope.ORGANIZATION_ADMIN,
    }
    errors = {
        "get_policy": (*READ_ERRORS, ModelNotFoundError, NotFoundError),
        "set_policy": (*UPDATE_ERRORS, ModelNotFoundError),
        "withdraw_policy": (*DELETE_ERRORS, ModelNotFoundError, NotFoundError),
    }

    @extend_schema(operation_id="get_model_gate_policy", tags=["gates"], summary="Get a model's gate policy")
    def get_policy(self, request: Request, model_id: str) -> HttpResponse:
        """Return the model's own policy. Without one it is judged by its organization's."""
        return self.show_policy()

    @extend_schema(
        operation_id="set_model_gate_policy",
        tags=["gates"],
        summary="Set a model's gate policy",
        responses={200: PolicySerializer, 201: PolicySerializer},
    )
    def set_policy(self, request: Request, model_id: str) -> HttpResponse:
        """Set the policy that versions of the model are judged by from now on."""
        return self.replace()

    @extend_schema(operation_id="withdraw_model_gate_policy", tags=["gates"], summary="Withdraw a model's gate policy")
    def withdraw_policy(self, request: Request, model_id: str) -> HttpResponse:
        """Have the model judged by its organization's policy again, if there is one."""
        return self.withdraw()

    def find(self, *, lock: bool = False) -> tuple[Any, GatePolicy | None]:
        """Return the model, and its policy."""
        model = self.get_model(lock=lock)
        return model, GatePolicy.objects.filter(model=model).in_force()

    def store(self, owner: Any, **content: Any) -> GatePolicy:
        """Store a model's policy."""
        return set_model_policy(model=owner, **content)


class OrganizationPolicyViewSet(PolicyViewSet):
    """The policy of an organization's models that have none of their own."""

    scopes = {
        "get_policy": Scope.ORGANIZATION_VIEWER,
        "set_policy": Scope.ORGANIZATION_ADMIN,
        "withdraw_policy": Scope.ORGANIZATION_ADMIN,
    }
    errors = {
        "get_policy": (*READ_ERRORS, NotFoundError),
        "set_policy": (*UPDATE_ERRORS, NotFoundError),
        "withdraw_policy": (*DELETE_ERRORS, NotFoundError),
    }

    @extend_schema(
        operation_id="get_organization_gate_policy", tags=["gates"], summary="Get an organization's gate policy"
    )
    def get_policy(self, request: Request, slug: str) -> HttpResponse:
        """Return the policy by which the organization's models are judged that have none of their own."""
        return self.show_policy()

    @extend_schema(
        operation_id="set_organization_gate_policy",
        tags=["gates"],
        summary="Set an organization's gate policy",
        responses={200: PolicySerializer, 201: PolicySerializer},
    )
    def set_policy(self, request: Request, slug: str) -> HttpResponse:
        """Set the policy of models that have none of their own. A model that lacks what a rule looks at fails it."""
        return self.replace()

    @extend_schema(
        operation_id="withdraw_organization_gate_policy",
        tags=["gates"],
        summary="Withdraw an organization's gate policy",
    )
    def withdraw_policy(self, request: Request, slug: str) -> HttpResponse:
        """Have the models without a policy of their own judged by none."""
        return self.withdraw()

    def find(self, *, lock: bool = False) -> tuple[Any, GatePolicy | None]:
        """Return the organization, and its policy."""
        organization = self.get_organization(lock=lock)
        return organization, GatePolicy.objects.filter(organization=organization).in_force()

    def store(self, owner: Any, **content: Any) -> GatePolicy:
        """Store an organization's policy."""
        return set_organization_policy(organization=owner, **content)


class JUnit(BaseRenderer):
    """JUnit XML, which CI systems show."""

    media_type, format = "application/xml", "junit"


class TextXML(JUnit):
    """The same under its other name."""

    media_type = "text/xml"


class Markdown(BaseRenderer):
    """Markdown, for the comment on a pull request."""

    media_type, format = "text/markdown", "markdown"


class Page(BaseRenderer):
    """A page, for people."""

    media_type, format = "text/html", "html"


TEXTS = (Page, JUnit, TextXML, Markdown)
VERDICT = {
    (200, JSONRenderer.media_type): VerdictSerializer,
    **{(status, each.media_type): str for status in (200, 409) for each in TEXTS},  # in JSON, a refusal is a problem
}


class GateViewSet(PerformanceViewSet):
    """Whether a version may ship. The order of checks is that of every read of performance."""

    http_method_names = ["get", "head", "post"]
    renderer_classes = (JSONRenderer, *TEXTS)  # a browser takes XML as well
    queries = {"gate": GateQuerySerializer(), "judge": GateQuerySerializer()}
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
    caching = {
        "ETag": {
            "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
            "description": "Changes when the answer does in more than `judged_at`; with `enforce`, no condition holds.",
        },
        "Vary": {"schema": {"type": "string", "enum": ["Authorization, Accept"]}},
    }

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Say that the form depends on what is accepted."""
        return {**super().default_response_headers, "Vary": "Authorization, Accept"}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Return the renderer of the form that `format` names, or else of one that is accepted."""
        form = request.query_params.get("format")
        named = [each for each in self.get_renderers() if each.format == form] if form else []
        if not named:
            return super().perform_content_negotiation(request, force)
        try:
            return self.get_content_negotiator().select_renderer(request, named)
        except NotAcceptable:
            return named[0], named[0].media_type

    @extend_schema(
        operation_id="get_gate", tags=["gates"], summary="Gate", parameters=[GateQuerySerializer], responses=VERDICT
    )
    def gate(self, request: Request, model_id: str) -> HttpResponse:
        """Judge a version by its model's policy, or the organization's. It is 200 either way, but see `enforce`."""
        query = self.query()
        found = self.read_gate(query)
        return self.told(found.verdict(), found, query)

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
        query = self.query()
        check_key(request)
        found = self.read_gate(query)  # before the body is read
        body = PolicyInput(data=request.data)
        body.is_valid(raise_exception=True)
        policy = body.validated_data["policy"]
        refuse_invalid(policy, [found.task_type])
        first = self.replayed(query)
        if first is not None:
            return first
        verdict = found.verdict_by(policy)  # which may compare examples: not in a transaction
        return self.once(query, lambda: self.told(verdict, found, query))

    def replayed(self, query: dict[str, Any]) -> HttpResponse | None:
        """Return the answer that `once` would repeat; `None` if the request is new."""
        caller: Any = self.request.user
        return replayed(self.request, caller.pk, lambda: self.fingerprint(query))

    def once(self, query: dict[str, Any], work: Callable[[], HttpResponse]) -> HttpResponse:
        """Answer with what `work` does, or did when the request was made before under the same key."""
        if HEADER not in self.request.headers:
            return work()
        caller: Any = self.request.user
        with transaction.atomic():
            return run_idempotent(self.request, caller.pk, lambda: self.fingerprint(query), work)

    def fingerprint(self, query: dict[str, Any]) -> Any:
        """Return what tells this request from another to the same path."""
        return self.request.data, {**query, "format": self.renderer.format}

    @property
    def renderer(self) -> Any:
        """The form that is asked for."""
        return self.request.accepted_renderer

    def read_gate(self, query: dict[str, Any]) -> GateContext:
        """Return what a verdict needs, if the caller may read it."""
        caller: Any = self.request.user
        found = read_gate(caller=caller, model_id=self.kwargs["model_id"], version_id=query.get("version_id"))
        self.check_object_permissions(self.request, found)
        return found

    def told(self, verdict: Verdict, found: GateContext, query: dict[str, Any]) -> HttpResponse:
        """Answer with a verdict in the form that is asked for; keep it if it counts, which it does not by HEAD.

        Raises `ConflictError` when it would be kept, but the model is archived.
        """
        enforced = query["enforce"] == "true"
        if enforced and found.archived:
            raise ConflictError(
                f"{verdict.model_id} is archived, so that no verdict on it counts. Ask without enforce."
            )
        if enforced and self.keeps(found):
            keep_enforced_verdict(verdict, requested_by=found.username)
        if not enforced:
            return self.unless_known(verdict)
        if verdict.refuses and self.renderer.format not in RENDERERS:
            failed = GateFailedError(f"{verdict.detail} See `verdict`.", verdict.as_document())
            return self.handle_exception(failed)  # not raised, as that would undo what is kept
        return self.shown(verdict, status=409 if verdict.refuses else 200)

    def keeps(self, found: GateContext) -> bool:
        """Return whether an enforced verdict is stored.

        A caller can send any number of policies, so that a verdict by such a policy is stored only for a caller who may
        write.
        """
        if self.action == "judge":
            caller: Any = self.request.user
            return may_write(caller, found.reading.model_id)
        return self.request.method != "HEAD"

    def unless_known(self, verdict: Verdict) -> HttpResponse:
        """Answer with a verdict, unless the caller has one from which it differs only in when it was judged.

        To a POST, which is no read, it is told in any case. Raises `PreconditionFailedError`.
        """
        response = self.shown(verdict)
        judged_at = f"{verdict.judged_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
        response["ETag"] = etag_of(response.content.replace(judged_at.encode(), b""))
        return response if self.request.method == "POST" else not_modified_or(self.request, response)

    def shown(self, verdict: Verdict, status: int = 200) -> HttpResponse:
        """Return a verdict in the form that is asked for, as JSON with 200: a refusal in JSON is a problem."""
        if self.renderer.format not in RENDERERS:
            return json_response(verdict.as_document())
        return with_etag(
            RENDERERS[self.renderer.format](verdict).encode(),
            status=status,
            content_type=f"{self.renderer.media_type}; charset=utf-8",
        )


class VerdictViewSet(RegistryViewSet):
    """The verdicts that counted."""

    queryset = GateVerdict.objects.all()
    serializer_class = KeptVerdictSerializer
    large_columns = ("document",)
    ordering = ("-pk",)
    scopes = {"list": Scope.MODEL_READ}
    errors = (ModelNotFoundError,)

    @extend_schema(operation_id="list_verdicts", tags=["gates"], summary="List verdicts")
    def list(self, request: Request, model_id: str) -> HttpResponse:
        """Return the verdicts on promotions of the model, refused ones as well, and on who asked with `enforce`."""
        return self.page(lambda: self.get_queryset().filter(model=self.get_model()))
