"""Reads of performance over HTTP."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from models_registry import ids
from models_registry.api.conditional import answer
from performance.api.permissions import CanReadPerformance
from performance.api.serializers import ANY_SUMMARY, PerformanceQuerySerializer, parse_query, represent_summary
from performance.selectors import Reading, read_performance

EXAMPLE = {
    "model_id": "mdl-7f3a19bc92",
    "version_id": "ver-001a1",
    "task_type": "classification",
    "dataset_split": "test",
    "metrics": {
        "accuracy": 0.9341,
        "precision": 0.9185,
        "recall": 0.9240,
        "f1_score": 0.9212,
        "roc_auc": 0.9678,
        "log_loss": 0.1425,
    },
    "evaluated_at": "2026-03-13T14:22:10Z",
}


class PerformanceViewSet(GenericViewSet[Any]):
    """What is known of how well a version of a model does on one split. Only reads; never evaluates or infers."""

    permission_classes = (CanReadPerformance,)
    http_method_names = ["get", "head"]
    problem_codes = (
        "invalid_parameter",
        "unknown_parameter",
        "not_authenticated",
        "invalid_token",
        "token_expired",
        "permission_denied",
        "model_not_found",
        "version_not_found",
        "no_promoted_version",
        "snapshot_not_found",
        "precondition_failed",
        "no_trained_version",
        "version_not_trained",
    )

    @extend_schema(
        operation_id="get_performance_summary",
        tags=["performance"],
        summary="Performance summary",
        description=(
            "The summary metrics of a version on one split, from its newest stored snapshot. `metrics` holds all "
            "summary metrics of the task type, in order; one that was not recorded is null."
        ),
        parameters=[
            OpenApiParameter("model_id", {"type": "string", "pattern": f"^{ids.MODEL_ID_PATTERN}$"}, "path"),
            PerformanceQuerySerializer,
        ],
        responses=ANY_SUMMARY,
        examples=[OpenApiExample("A classifier on its test split", value=EXAMPLE, response_only=True)],
    )
    def summary(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with the newest snapshot's summary metrics."""
        return answer(request, represent_summary(self.get_object().snapshot()))

    def get_object(self) -> Reading:
        """Return what the database holds, if the caller may read it."""
        reading = read_performance(
            caller=self.request.user,  # type: ignore[arg-type]  # BearerAuthentication's caller
            model_id=self.kwargs["model_id"],
            **parse_query(self.request, _query),
        )
        self.check_object_permissions(self.request, reading)
        return reading

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Let only the caller's own cache keep the answer, and only to ask whether it still holds."""
        return {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


_query = PerformanceQuerySerializer()
