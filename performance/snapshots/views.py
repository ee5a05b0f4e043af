"""Reads of performance over HTTP."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Value
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request

from models_registry.api import large_responses
from models_registry.api.csv_tables import Row
from models_registry.api.errors import NotFoundError
from models_registry.api.etags import conditional_json_response, large_json_response, not_modified_or
from models_registry.api.viewsets import TableMixin
from performance.snapshots import matrix_selectors, selectors
from performance.snapshots.curves_serializers import CURVES
from performance.snapshots.detail_serializers import REPORT, SliceSerializer
from performance.snapshots.errors import DETAIL_ERRORS, SNAPSHOT_ERRORS, VERSION_ERRORS
from performance.snapshots.matrix_serializers import StoredMatrixSerializer
from performance.snapshots.models import MetricSnapshot, SnapshotSlice
from performance.snapshots.query_serializers import (
    ConfusionMatrixQuerySerializer,
    HistoryQuerySerializer,
    PerformanceQuerySerializer,
    SlicesQuerySerializer,
)
from performance.snapshots.serializers import SUMMARY, HistorySerializer
from performance.snapshots.viewsets import VERSION_QUERY, PerformanceReadViewSet

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


class PerformanceViewSet(TableMixin, PerformanceReadViewSet):
    """The summary, the report and their parts, and the history of a metric."""

    table_actions = ("report", "confusion_matrix", "history")
    ordering = ("evaluated_at", "pk")  # of the history
    query_serializers = {
        "summary": PerformanceQuerySerializer(),
        "report": PerformanceQuerySerializer(),
        "confusion_matrix": ConfusionMatrixQuerySerializer(),
        "curves": PerformanceQuerySerializer(),
        "history": HistoryQuerySerializer(),
    }
    errors = {
        "summary": SNAPSHOT_ERRORS,
        "report": SNAPSHOT_ERRORS,
        "confusion_matrix": DETAIL_ERRORS,
        "curves": DETAIL_ERRORS,
        "history": VERSION_ERRORS,
    }
    response_serializers = {
        "summary": SUMMARY,
        "report": REPORT,
        "confusion_matrix": StoredMatrixSerializer,
        "curves": CURVES,
        "history": HistorySerializer,
    }

    @extend_schema(
        operation_id="get_performance_summary",
        tags=["performance"],
        summary="Performance summary",
        description=(
            "The summary metrics of a version on one split, from its newest stored snapshot. `metrics` holds all "
            "summary metrics of the task type, in order; one that was not recorded is null."
        ),
        parameters=[PerformanceQuerySerializer],
        responses=SUMMARY.one,
        examples=[OpenApiExample("A classifier on its test split", value=EXAMPLE, response_only=True)],
    )
    def summary(self, request: Request, model_id: str) -> HttpResponse:
        """Return the summary metrics of the newest snapshot."""
        snapshot = self.look_up(model_id, **self.query).snapshot()
        return conditional_json_response(request, self.serialize(snapshot))

    @extend_schema(
        operation_id="get_performance_report",
        tags=["performance"],
        summary="Performance report",
        parameters=[PerformanceQuerySerializer],
        responses=REPORT.one,
    )
    @large_responses.bounded
    def report(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with the newest snapshot as a whole, and where its numbers come from."""
        snapshot = selectors.report(self.look_up(model_id, **self.query))
        return self.table_response(self.serialize(snapshot), as_json=large_json_response)

    @extend_schema(
        operation_id="get_confusion_matrix",
        tags=["performance"],
        summary="Confusion matrix",
        parameters=[ConfusionMatrixQuerySerializer],
        responses=StoredMatrixSerializer,
    )
    @large_responses.bounded
    def confusion_matrix(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with how often examples of each class were predicted as each class.

        A matrix of more than 20,000 cells comes in parts, each of some rows: `next` leads to the next one.
        """
        normalize, offset = self.query.pop("normalize", None), self.query.pop("offset")
        page = matrix_selectors.confusion_matrix(self.look_up(model_id, **self.query), offset=offset)
        context = {"normalize": normalize, "url": request.build_absolute_uri()}
        matrix = StoredMatrixSerializer(page, context=context).data
        response = self.table_response(matrix, as_json=large_json_response)
        if not page.is_whole:
            large_responses.remember(request.path)  # any part takes as long as a large response
        return response

    @extend_schema(
        operation_id="get_performance_curves",
        tags=["performance"],
        summary="Curves to draw",
        parameters=[PerformanceQuerySerializer],
        responses=CURVES.one,
    )
    @large_responses.bounded
    def curves(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with the points of each curve, at most 200, as the evaluation drew them; none for what is unknown."""
        snapshot = selectors.curves(self.look_up(model_id, **self.query))
        return large_json_response(self.serialize(snapshot))

    @extend_schema(
        operation_id="get_performance_history",
        tags=["performance"],
        summary="History of a metric",
        parameters=[HistoryQuerySerializer],
        responses=HistorySerializer(many=True),
    )
    def history(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with a metric over completed versions and re-evaluations, oldest first."""
        self.paginate_queryset(MetricSnapshot.objects.none())  # refuses a bad cursor before the database is asked
        metric = self.query["metric"]
        lookup = self.look_up(model_id, **{name: self.query[name] for name in VERSION_QUERY if name in self.query})
        rows = self.paginate_queryset(selectors.history(lookup, metric))
        values = HistorySerializer(rows, many=True, context={"metric": metric}).data
        return not_modified_or(request, self.table_response(self.get_paginated_response(values).data))

    def table_rows(self, data: dict[str, Any]) -> Sequence[Row]:
        """Return a row for each actual class of a confusion matrix."""
        return _matrix_rows(data) if "counts" in data else super().table_rows(data)


class SlicesViewSet(TableMixin, PerformanceReadViewSet):
    """The slices of a version's examples by an attribute."""

    table_actions = ("slices",)
    ordering = ("goodness", "position")
    order_parameters = ("by", "order_by")
    query_serializers = {"slices": SlicesQuerySerializer()}
    errors = {"slices": (*SNAPSHOT_ERRORS, NotFoundError)}
    response_serializers = {"slices": SliceSerializer}

    def check_query(self) -> None:
        """Validate the query, and refuse a bad cursor before the database is asked."""
        super().check_query()
        if self.action in self.query_serializers:
            self.paginate_queryset(SnapshotSlice.objects.none().annotate(goodness=Value(0.0)))

    @extend_schema(
        operation_id="list_slices",
        tags=["performance"],
        summary="Slices by an attribute",
        parameters=[SlicesQuerySerializer],
        responses=SliceSerializer(many=True),
    )
    def slices(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with the summary metrics of each value of an attribute, the worst first."""
        lookup = self.look_up(model_id, **{name: self.query[name] for name in VERSION_QUERY if name in self.query})
        found = selectors.slices(lookup, by=self.query["by"], order_by=self.query.get("order_by"))
        data = SliceSerializer(self.paginate_queryset(found), many=True).data
        return not_modified_or(request, self.table_response(self.get_paginated_response(data).data))


def _matrix_rows(matrix: dict[str, Any]) -> Sequence[Row]:
    """Return a row for each actual class: what it is of, and the counts and rates by predicted class."""
    labels, offset = matrix["labels"], matrix.get("offset", 0)
    of = {name: matrix[name] for name in ("model_id", "version_id", "dataset_split", "evaluated_at")}
    parts = [name for name in ("counts", "rates") if name in matrix]
    by_predicted: list[dict[str, object]] = [
        {name: dict(zip(labels, matrix[name][index], strict=True)) for name in parts}
        for index in range(len(matrix["counts"]))
    ]
    return [{**of, "actual": labels[offset + index], **row} for index, row in enumerate(by_predicted)]
