"""Comparisons of two versions over HTTP."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from models_registry.api.csv_tables import Row
from models_registry.api.etags import not_modified_or
from models_registry.api.viewsets import TableMixin
from performance.comparisons import selectors
from performance.comparisons.serializers import COMPARISON, ComparisonQuerySerializer
from performance.snapshots.errors import SNAPSHOT_ERRORS
from performance.snapshots.viewsets import PerformanceReadViewSet


class ComparisonViewSet(TableMixin, PerformanceReadViewSet):
    """How the metrics of two versions differ on one split."""

    table_actions = ("compare",)
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
        return not_modified_or(request, self.table_response(self.serialize(selectors.compare(newer, baseline))))

    def table_rows(self, data: dict[str, Any]) -> Sequence[Row]:
        """Return a row for each metric: what is compared, and how the metric differs."""
        of = {name: value for name, value in data.items() if name != "metrics"}
        return [{**of, "metric": name, **metric} for name, metric in data["metrics"].items()]
