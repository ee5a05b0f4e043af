"""Reads of performance over HTTP."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from models_registry.api.conditional import answer, represent, unless_known
from models_registry.api.pagination import SignedCursorPagination
from models_registry.api.query import parse_query
from performance import large_answers, selectors
from performance.api.permissions import CanReadPerformance
from performance.api.serializers import (
    COMPARISON,
    SUMMARY,
    ComparisonQuerySerializer,
    ConfusionMatrixQuerySerializer,
    HistoryQuerySerializer,
    HistorySerializer,
    MisclassificationQuerySerializer,
    MisclassificationSerializer,
    PageQuerySerializer,
    PerformanceQuerySerializer,
    ResidualSerializer,
)
from performance.api.snapshot_serializers import CURVES, REPORT, StoredMatrixSerializer
from performance.models import MetricSnapshot, MisclassifiedExample
from performance.selectors import Reading

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
        "not_available_for_task_type",
        "not_found",
        "precondition_failed",
        "no_trained_version",
        "version_not_trained",
    )

    pagination_class = SignedCursorPagination
    ordering = ("evaluated_at", "pk")  # of the history
    ordering_fields = ()
    queries: Mapping[str, serializers.Serializer[Any]] = {
        "summary": PerformanceQuerySerializer(),
        "report": PerformanceQuerySerializer(),
        "confusion_matrix": ConfusionMatrixQuerySerializer(),
        "curves": PerformanceQuerySerializer(),
        "history": HistoryQuerySerializer(),
        "compare": ComparisonQuerySerializer(),
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
        """Answer with the newest snapshot's summary metrics."""
        snapshot = self.read(**self.query()).snapshot()
        return answer(request, SUMMARY.represent(snapshot, snapshot.task_type))

    @extend_schema(
        operation_id="get_performance_report",
        tags=["performance"],
        summary="Performance report",
        parameters=[PerformanceQuerySerializer],
        responses=REPORT.one,
    )
    def report(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with the newest snapshot as a whole, and where its numbers come from."""
        query = self.query()

        def body() -> tuple[Any, bool]:
            reading = self.read(**query)
            return REPORT.represent(selectors.report(reading), reading.task_type), False

        return self.prepare(body)

    @extend_schema(
        operation_id="get_confusion_matrix",
        tags=["performance"],
        summary="Confusion matrix",
        parameters=[ConfusionMatrixQuerySerializer],
        responses=StoredMatrixSerializer,
    )
    def confusion_matrix(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with how often examples of each class were predicted as each class.

        A matrix of more than 20,000 cells comes in parts, each of some rows: `next` leads to the next one.
        """
        query = self.query()
        normalize, offset = query.pop("normalize", None), query.pop("offset")

        def body() -> tuple[Any, bool]:
            page = selectors.confusion_matrix(self.read(**query), offset=offset)
            context = {"normalize": normalize, "url": request.build_absolute_uri()}
            return StoredMatrixSerializer(page, context=context).data, not page.is_whole

        return self.prepare(body)

    @extend_schema(
        operation_id="get_performance_curves",
        tags=["performance"],
        summary="Curves to draw",
        parameters=[PerformanceQuerySerializer],
        responses=CURVES.one,
    )
    def curves(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with the points of each curve, at most 200, as the evaluation drew them; none for what is unknown."""
        query = self.query()

        def body() -> tuple[Any, bool]:
            reading = self.read(**query)
            return CURVES.represent(selectors.curves(reading), reading.task_type), False

        return self.prepare(body)

    @extend_schema(
        operation_id="get_performance_history",
        tags=["performance"],
        summary="History of a metric",
        parameters=[HistoryQuerySerializer],
        responses=HistorySerializer(many=True),
    )
    def history(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with a metric over completed versions and re-evaluations, oldest first."""
        query = self.query()
        self.paginate_queryset(MetricSnapshot.objects.none())  # refuses a bad cursor
        asked_for = {name: query[name] for name in ("dataset_split", "version_id") if name in query}
        rows = self.paginate_queryset(selectors.history(self.read(**asked_for), query["metric"]))
        values = HistorySerializer(rows, many=True, context={"metric": query["metric"]}).data
        return answer(request, self.get_paginated_response(values).data)

    @extend_schema(
        operation_id="compare_performance",
        tags=["performance"],
        summary="Compare two versions",
        parameters=[ComparisonQuerySerializer],
        responses=COMPARISON.one,
    )
    def compare(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with how each metric differs between two versions, by default from the promoted one's."""
        query = self.query()
        baseline_id = query.pop("baseline_version_id", None)
        reading = self.read(**query)
        baseline = self.read(dataset_split=reading.dataset_split, version_id=baseline_id)
        return answer(request, COMPARISON.represent(selectors.compare(reading, baseline), reading.task_type))

    def query(self) -> dict[str, Any]:
        """Return the action's query parameters. Raises `UnknownParameterError` or `InvalidParameterError`."""
        return parse_query(self.request, self.queries[self.action])

    def read(self, **asked_for: Any) -> Reading:
        """Return what the database holds, if the caller may read it."""
        reading = selectors.read_performance(
            caller=self.request.user,  # type: ignore[arg-type]  # BearerAuthentication's caller
            model_id=self.kwargs["model_id"],
            **asked_for,
        )
        self.check_object_permissions(self.request, reading)
        return reading

    def prepare(self, body: Callable[[], tuple[Any, bool]]) -> HttpResponse:
        """Answer with a body that may be large. `body` returns it, and whether it is expensive whatever its length."""

        def respond() -> tuple[HttpResponse, bool]:
            data, is_expensive = body()
            return represent(data), is_expensive

        return unless_known(self.request, large_answers.prepare(self.request.path, respond))

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Let only the caller's own cache keep the answer, and only to ask whether it still holds."""
        return {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


class WorstExamplesViewSet(PerformanceViewSet):
    """The examples that a version predicted worst on one split, as far as they were kept."""

    large_columns = ("example_id", "attributes")
    ordering = ("rank", "pk")
    queries = {"misclassifications": MisclassificationQuerySerializer(), "residuals": PageQuerySerializer()}

    @extend_schema(
        operation_id="list_misclassifications",
        tags=["performance"],
        summary="Misclassified examples",
        parameters=[MisclassificationQuerySerializer],
        responses=MisclassificationSerializer(many=True),
    )
    def misclassifications(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with the wrongly predicted examples, the most confidently wrong first: at most 1,000 are kept."""
        query = self.page_query()
        conditions = {lookup: query[name] for name, lookup in _LOOKUPS.items() if name in query}
        rows = selectors.misclassifications(self.read_of(query), **conditions)
        return self.page(rows, MisclassificationSerializer)

    @extend_schema(
        operation_id="list_residuals",
        tags=["performance"],
        summary="Largest errors",
        parameters=[PageQuerySerializer],
        responses=ResidualSerializer(many=True),
    )
    def residuals(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with the examples of the largest absolute errors, the largest first: at most 1,000 are kept."""
        return self.page(selectors.residuals(self.read_of(self.page_query())), ResidualSerializer)

    def page_query(self) -> dict[str, Any]:
        """Return the query. Raises what `query` does, and `InvalidParameterError` for a bad cursor."""
        query = self.query()
        self.paginate_queryset(MisclassifiedExample.objects.none())
        return query

    def read_of(self, query: dict[str, Any]) -> Reading:
        """Return what the database holds of the version and split that are asked for."""
        return self.read(**{name: query[name] for name in ("dataset_split", "version_id") if name in query})

    def page(self, rows: Any, serializer: Any) -> HttpResponse:
        """Answer with a page of rows."""
        values = serializer(self.paginate_queryset(rows), many=True).data
        return answer(self.request, self.get_paginated_response(values).data)


_LOOKUPS = {"actual": "actual", "predicted": "predicted", "min_confidence": "confidence__gte"}
