"""Comparisons of two versions over HTTP."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from models_registry.api.etags import conditional_json_response
from performance.comparisons import selectors
from performance.comparisons.serializers import COMPARISON, ComparisonQuerySerializer
from performance.snapshots.errors import SNAPSHOT_ERRORS
from performance.snapshots.viewsets import PerformanceReadViewSet


class ComparisonViewSet(PerformanceReadViewSet):
    """How the metrics of two versions differ on one split."""

    query_serializers = {"compare": ComparisonQuerySerializer()}
    response_serializers = {"compare": COMPARISON}
    errors = {"compare": SNAPSHOT_ERRORS}

    @extend_schema(
        operation_id="compare_performance",
        tags=["performance"],
        summary="Compare two versions",
        parameters=[ComparisonQuerySerializer],
        responses=COMPARISON.one,
    )
    def compare(self, request: Request, model_id: str) -> HttpResponse:
        """Return how each metric differs between two versions, by default from the promoted one."""
        baseline_id = self.query.pop("baseline_version_id", None)
        newer = self.look_up(model_id, **self.query)
        baseline = self.look_up(model_id, **{**self.query, "version_id": baseline_id})
        return conditional_json_response(request, self.serialize(selectors.compare(newer, baseline)))
