"""Badges over HTTP: the images, and the signed URLs by which they are looked at without a token."""

from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from models_registry import task_types
from models_registry.accounts.scopes import Scope
from models_registry.api.errors import NotFoundError
from models_registry.api.etags import json_response, not_modified_or, with_etag
from models_registry.api.query import invalid_parameters
from models_registry.registry.errors import ModelNotFoundError
from models_registry.registry.views import row_id
from models_registry.registry.viewsets import RegistryViewSet
from models_registry.tokens.jwt import Caller
from performance.badges.image import BadgeContent, render_svg, verdict_content
from performance.badges.models import Badge
from performance.badges.selectors import badge_content, label_of, measured, signed_badge
from performance.badges.serializers import BadgeInput, BadgeQuerySerializer, BadgeSerializer
from performance.badges.services import create_badge, revoke_badge
from performance.gates.selectors import read_gate
from performance.snapshots import selectors
from performance.snapshots.errors import SNAPSHOT_ERRORS
from performance.snapshots.models import DatasetSplit
from performance.snapshots.permissions import CanReadBadge
from performance.snapshots.views import PerformanceViewSet

MAX_AGE = 300  # seconds for which caches may show a signed badge without asking again


class Svg(BaseRenderer):
    """An image."""

    media_type, format = "image/svg+xml", "svg"


class BadgeImageViewSet(PerformanceViewSet):
    """A badge as an image. To a token it is a read of performance like the others; a signature stands for one."""

    permission_classes = (CanReadBadge,)
    renderer_classes = (Svg,)
    queries = {"badge": BadgeQuerySerializer()}
    errors = {"badge": (*SNAPSHOT_ERRORS, NotFoundError)}
    caching = {
        "Cache-Control": {
            "schema": {"type": "string", "pattern": r"^(private, no-cache|public, max-age=\d{1,3})$"},
            "description": f"Public for a signed URL, for {MAX_AGE} seconds at most.",
        },
        "Vary": {"schema": {"type": "string", "enum": ["Authorization"]}, "description": "Not for a signed URL."},
    }

    @extend_schema(
        operation_id="get_badge_image",
        tags=["badges"],
        summary="Badge",
        parameters=[BadgeQuerySerializer],
        responses={(200, Svg.media_type): str},
        auth=[{"bearer": []}, {}],  # type: ignore[list-item]  # either; the library takes these as they are
    )
    def badge(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with an image that says a metric's value with its interval, or else the gate's verdict."""
        query = self.query()
        if "signature" in query:
            return self.signed(signed_badge(model_id=model_id, signature=query["signature"]))
        if "metric" in query:
            return self.drawn(self.measured(query))
        return self.drawn(self.judged(query.get("version_id")))

    def signed(self, badge: Badge) -> HttpResponse:
        """Answer to whoever has a badge's URL, as which caches may answer as well while it is sure to be good."""
        age = min(MAX_AGE, int((badge.expires_at - timezone.now()).total_seconds()))
        response = self.drawn(badge_content(badge))
        self.headers = {"Cache-Control": f"public, max-age={max(0, age)}"}
        return response

    def measured(self, query: dict[str, Any]) -> BadgeContent:
        """Return what the badge says of a metric. Raises what a report does, and for an unknown metric."""
        metric = query.pop("metric")
        reading = self.read(**{"dataset_split": DatasetSplit.TEST.value, **query})
        snapshot, task_type = selectors.report(reading), task_types.get(reading.task_type)
        declared = [each.name for each in task_type.all_metrics]
        if metric not in declared and snapshot.value_of(metric) is None:
            fault = (
                f"Neither a metric of {task_type.name} nor a custom one of this snapshot; use {', '.join(declared)}."
            )
            raise invalid_parameters([("metric", "unknown", fault)])
        return measured(label_of(task_type, metric, reading.dataset_split), snapshot, metric)

    def judged(self, version_id: str | None) -> BadgeContent:
        """Return what the badge says of the gate's verdict on a version, by default the promoted one."""
        reading = self.read(dataset_split=DatasetSplit.TEST.value, version_id=version_id)
        caller: Caller = self.request.user  # type: ignore[assignment]  # BearerAuthentication's
        found = read_gate(caller=caller, model_id=reading.model_id, version_id=reading.completed_version())
        return verdict_content(found.verdict().status)

    def drawn(self, face: BadgeContent) -> HttpResponse:
        """Answer with a badge that says this."""
        response = with_etag(
            render_svg(face).encode(),
            content_type=Svg.media_type,
            headers={
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "X-Content-Type-Options": "nosniff",
            },
        )
        return not_modified_or(self.request, response)


class BadgeViewSet(RegistryViewSet):
    """The badges of a model that may be looked at without a token; for the admins of its organization."""

    queryset = Badge.objects.select_related("created_by")
    serializer_class = BadgeSerializer
    ordering = ("-pk",)
    scopes = dict.fromkeys(("list", "create", "retrieve", "destroy"), Scope.ORGANIZATION_ADMIN)
    errors = {
        "list": (ModelNotFoundError,),
        "create": (ModelNotFoundError,),
        "retrieve": (ModelNotFoundError, NotFoundError),
        "destroy": (ModelNotFoundError, NotFoundError),
    }
    inputs = {"create": BadgeInput}

    @extend_schema(operation_id="list_badges", tags=["badges"], summary="List badges")
    def list(self, request: Request, model_id: str) -> HttpResponse:
        """Return the badges of a model that were made, newest first, also those that have expired or were revoked."""
        return self.page(lambda: self.get_queryset().filter(model=self.get_model()))

    @extend_schema(operation_id="create_badge", tags=["badges"], summary="Make a badge")
    def create(self, request: Request, model_id: str) -> HttpResponse:
        """Make a URL by which one badge of the model may be looked at without a token."""
        return self.once(self._make)

    @extend_schema(operation_id="get_badge", tags=["badges"], summary="Get a badge")
    def retrieve(self, request: Request, model_id: str, badge_id: str) -> HttpResponse:
        """Return one badge, with its URL."""
        return self.show(self._badge())

    @extend_schema(operation_id="revoke_badge", tags=["badges"], summary="Revoke a badge")
    def destroy(self, request: Request, model_id: str, badge_id: str) -> HttpResponse:
        """Have the badge's URL answer nobody any more, of an archived model as well. Caches may for five minutes."""
        with self.writing():
            badge = self._badge()
            return self.removed(badge, lambda: revoke_badge(badge=badge))

    def _make(self) -> HttpResponse:
        model = self.get_model(lock=True)
        lifetime = timedelta(days=self.body["lifetime_days"])
        shown = {name: self.body[name] for name in ("metric", "dataset_split")}
        badge = create_badge(model=model, lifetime=lifetime, created_by=self.account, **shown)
        location = reverse("badge", args=[model.pk, badge.pk])
        return json_response(self.represent(badge), status=201, headers={"Location": location})

    def _badge(self) -> Badge:
        model = self.get_model()
        badge: Badge | None = self.get_queryset().filter(model=model, pk=row_id(self.kwargs["badge_id"])).first()
        if badge is None:
            raise NotFoundError(f"{model.pk} has no such badge. Its badges are listed.")
        return badge
