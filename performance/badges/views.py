"""Badges over HTTP: the images, and the signed URLs by which they are looked at without a token."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from models_registry import task_types
from models_registry.api.errors import NotFoundError
from models_registry.api.etags import not_modified_or, with_etag
from models_registry.api.query import invalid_parameters
from models_registry.registry.viewsets import ModelRecordViewSet
from models_registry.tokens.jwt import Caller
from performance.badges.image import BadgeContent, render_svg, verdict_content
from performance.badges.models import Badge
from performance.badges.selectors import badge_content, metric_label, signed_badge, snapshot_content
from performance.badges.serializers import BadgeInput, BadgeQuerySerializer, BadgeSerializer
from performance.badges.services import create_badge, revoke_badge
from performance.gates.selectors import read_gate
from performance.snapshots import selectors
from performance.snapshots.errors import SNAPSHOT_ERRORS
from performance.snapshots.models import DatasetSplit
from performance.snapshots.permissions import CanReadBadge
from performance.snapshots.viewsets import PerformanceReadViewSet

MAX_AGE = 300  # seconds for which caches may show a signed badge without asking again


class SVGRenderer(BaseRenderer):
    """An image."""

    media_type, format = "image/svg+xml", "svg"


class BadgeImageViewSet(PerformanceReadViewSet):
    """A badge as an image. To a token it is a read of performance like the others; a signature stands for one."""

    permission_classes = (CanReadBadge,)
    renderer_classes = (SVGRenderer,)
    query_serializers = {"badge": BadgeQuerySerializer()}
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
        responses={(200, SVGRenderer.media_type): str},
        auth=[{"bearer": []}, {}],  # type: ignore[list-item]  # either; the library takes these as they are
    )
    def badge(self, request: Request, model_id: str) -> HttpResponse:
        """Return an image of a metric's value and its interval, by default of the gate's verdict."""
        query = self.query
        if "signature" in query:
            return self._signed_badge(signed_badge(model_id=model_id, signature=query["signature"]))
        if "metric" in query:
            return self._svg_response(self._metric_content(model_id, **query))
        return self._svg_response(self._verdict_content(model_id, query.get("version_id")))

    def _signed_badge(self, badge: Badge) -> HttpResponse:
        """Respond to whoever has a badge's URL. Caches may repeat the response until the badge may have expired."""
        age = min(MAX_AGE, int((badge.expires_at - timezone.now()).total_seconds()))
        response = self._svg_response(badge_content(badge))
        self.headers = {"Cache-Control": f"public, max-age={max(0, age)}"}
        return response

    def _metric_content(self, model_id: str, metric: str, **query: Any) -> BadgeContent:
        """Return what the badge says of a metric. Raises what a report does, and for an unknown metric."""
        lookup = self.look_up(model_id, **{"dataset_split": DatasetSplit.TEST.value, **query})
        snapshot, task_type = selectors.report(lookup), task_types.get(lookup.task_type)
        declared = [each.name for each in task_type.all_metrics]
        if metric not in declared and snapshot.value_of(metric) is None:
            message = (
                f"Neither a metric of {task_type.name} nor a custom one of this snapshot; use {', '.join(declared)}."
            )
            raise invalid_parameters([("metric", "unknown", message)])
        return snapshot_content(metric_label(task_type, metric, lookup.dataset_split), snapshot, metric)

    def _verdict_content(self, model_id: str, version_id: str | None) -> BadgeContent:
        """Return what the badge says of the gate's verdict on a version, by default the promoted one."""
        lookup = self.look_up(model_id, dataset_split=DatasetSplit.TEST.value, version_id=version_id)
        caller: Caller = self.request.user  # type: ignore[assignment]  # BearerAuthentication's
        context = read_gate(caller=caller, model_id=model_id, version_id=lookup.completed_version())
        return verdict_content(context.verdict())

    def _svg_response(self, content: BadgeContent) -> HttpResponse:
        """Return a badge as an image, or 304 if the caller has it."""
        response = with_etag(
            render_svg(content).encode(),
            content_type=SVGRenderer.media_type,
            headers={
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "X-Content-Type-Options": "nosniff",
            },
        )
        return not_modified_or(self.request, response)


@extend_schema_view(
    list=extend_schema(
        operation_id="list_badges",
        tags=["badges"],
        summary="List badges",
        description="Return the badges of a model, newest first, also those that have expired or were revoked.",
    ),
    create=extend_schema(
        operation_id="create_badge",
        tags=["badges"],
        summary="Make a badge",
        description="Create a signed URL that shows one badge of the model without a token.",
    ),
    retrieve=extend_schema(
        operation_id="get_badge",
        tags=["badges"],
        summary="Get a badge",
        description="Return one badge, with its URL.",
    ),
    destroy=extend_schema(
        operation_id="revoke_badge",
        tags=["badges"],
        summary="Revoke a badge",
        description=(
            "Revoke a badge, also of an archived model. Its URL is 404 from then on; caches may show it for five more "
            "minutes."
        ),
    ),
)
class BadgeViewSet(ModelRecordViewSet):
    """The badges of a model that anyone with the URL may look at, for the admins of its organization."""

    queryset = Badge.objects.select_related("created_by")
    serializer_class = BadgeSerializer
    ordering = ("-pk",)
    record_name, lookup_url_kwarg = "badge", "badge_id"
    input_serializers = {"create": BadgeInput}

    def perform_create(self, serializer: BaseSerializer[Badge]) -> None:
        content = dict(serializer.validated_data)
        lifetime = timedelta(days=content.pop("lifetime_days"))
        model = self.get_model(lock=True)
        serializer.instance = create_badge(model=model, lifetime=lifetime, created_by=self.account, **content)

    def perform_destroy(self, instance: Badge) -> None:
        revoke_badge(badge=instance)

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        return {"Location": reverse("badge", args=[data["model_id"], data["id"]])}
