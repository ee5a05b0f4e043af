"""Reads of performance over HTTP."""

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from models_registry.accounts.scopes import Scope
from models_registry.api import large_responses
from models_registry.api.etags import conditional_json_response, json_response, not_modified_or, with_etag
from models_registry.api.pagination import SignedCursorPagination
from models_registry.api.query import parse_query
from models_registry.api.viewsets import Errors
from models_registry.registry.errors import ModelNotFoundError, VersionNotFoundError
from models_registry.registry.views import row_id
from models_registry.registry.viewsets import RegistryViewSet
from performance.snapshots import selectors
from performance.snapshots.detail_serializers import (
    CURVES,
    REPORT,
    SNAPSHOT,
    SNAPSHOT_ROW,
    SnapshotInput,
    StoredMatrixSerializer,
)
from performance.snapshots.errors import DETAIL_ERRORS, SNAPSHOT_ERRORS, VERSION_ERRORS, SnapshotNotFoundError
from performance.snapshots.filters import SnapshotFilters
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.permissions import CanReadPerformance
from performance.snapshots.query_serializers import (
    ConfusionMatrixQuerySerializer,
    HistoryQuerySerializer,
    PerformanceQuerySerializer,
)
from performance.snapshots.selectors import SnapshotLookup, large_reads
from performance.snapshots.serializers import SUMMARY, HistorySerializer
from performance.snapshots.services import report_snapshot

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
    pagination_class = SignedCursorPagination
    ordering = ("evaluated_at", "pk")  # of the history
    ordering_fields = ()
    queries: Mapping[str, serializers.Serializer[Any]] = {
        "summary": PerformanceQuerySerializer(),
        "report": PerformanceQuerySerializer(),
        "confusion_matrix": ConfusionMatrixQuerySerializer(),
        "curves": PerformanceQuerySerializer(),
        "history": HistoryQuerySerializer(),
    }
    errors: ClassVar[dict[str, Errors]] = {
        "summary": SNAPSHOT_ERRORS,
        "report": SNAPSHOT_ERRORS,
        "confusion_matrix": DETAIL_ERRORS,
        "curves": DETAIL_ERRORS,
        "history": VERSION_ERRORS,
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
        return conditional_json_response(request, SUMMARY.represent(snapshot, snapshot.task_type))

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
        return conditional_json_response(request, self.get_paginated_response(values).data)

    def query(self) -> dict[str, Any]:
        """Return the action's query parameters. Raises `UnknownParameterError` or `InvalidParameterError`."""
        return parse_query(self.request, self.queries[self.action])

    def read(self, **asked_for: Any) -> SnapshotLookup:
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
            return json_response(data), is_expensive

        return not_modified_or(self.request, large_responses.render_bounded(self.request.path, respond))

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Let only the caller's own cache keep the answer, and only to ask whether it still holds."""
        return {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


MAX_MATRIX_LENGTH = 250_000  # characters of a confusion matrix that is read at once with any other
PLACE = "\0"  # which no stored text holds


class SnapshotViewSet(RegistryViewSet):
    """The snapshots of a version, which never change and are never deleted."""

    queryset = MetricSnapshot.objects.select_related("version__model", "detail").without_curves()
    filterset_class = SnapshotFilters
    ordering = ("-evaluated_at", "-pk")
    scopes = {"list": Scope.MODEL_READ, "create": Scope.MODEL_WRITE, "retrieve": Scope.MODEL_READ}
    errors = {
        "list": (ModelNotFoundError, VersionNotFoundError),
        "create": (ModelNotFoundError, VersionNotFoundError),
        "retrieve": (ModelNotFoundError, VersionNotFoundError, SnapshotNotFoundError),
    }
    inputs = {"create": SnapshotInput}

    @extend_schema(
        operation_id="list_snapshots", tags=["snapshots"], summary="List snapshots", responses=SNAPSHOT_ROW.many
    )
    def list(self, request: Request, model_id: str, version_id: str) -> HttpResponse:
        """Return the snapshots of a version, newest first, without their confusion matrices."""
        rows: Any = self.get_queryset()
        return self.page(lambda: rows.for_list().filter(version=self.get_version()))

    @extend_schema(
        operation_id="report_snapshot", tags=["snapshots"], summary="Report metrics", responses={201: SNAPSHOT.one}
    )
    def create(self, request: Request, model_id: str, version_id: str) -> HttpResponse:
        """Store metrics that were measured elsewhere. The task type says which there are, and their bounds."""
        return self.once(self._report)

    @extend_schema(operation_id="get_snapshot", tags=["snapshots"], summary="Get a snapshot", responses=SNAPSHOT.one)
    def retrieve(self, request: Request, model_id: str, version_id: str, snapshot_id: str) -> HttpResponse:
        """Return one snapshot."""
        return large_responses.render_bounded(request.path, lambda: (self._whole(snapshot_id), False))

    def _whole(self, snapshot_id: str) -> HttpResponse:
        version = self.get_version()
        rows: Any = self.get_queryset()
        snapshot = rows.with_matrix_text().filter(version=version, pk=row_id(snapshot_id)).first()
        if snapshot is None:
            raise SnapshotNotFoundError(f"{version.version_id} has no such snapshot. Its snapshots are listed.")
        matrix = snapshot.matrix_text
        if matrix is None:
            return self.show(snapshot)
        if len(matrix) > MAX_MATRIX_LENGTH:
            with large_reads.claim():
                return self._show_with_text(snapshot, matrix)
        snapshot.detail.confusion_matrix = json.loads(matrix)
        return self.show(snapshot)

    def _show_with_text(self, snapshot: MetricSnapshot, matrix: str) -> HttpResponse:
        """Answer with a snapshot and the text of its matrix. Reading and writing the numbers would stop all threads."""
        snapshot.detail.confusion_matrix = None  # or it would be read again
        whole = json_response({**self.represent(snapshot), "confusion_matrix": PLACE})
        body = whole.content.replace(json.dumps(PLACE).encode(), _labels_first(matrix).encode(), 1)
        return not_modified_or(self.request, with_etag(body, content_type=whole["Content-Type"]))

    def represent(self, record: MetricSnapshot) -> dict[str, object]:
        """Return a snapshot as its task type has it."""
        kind = SNAPSHOT_ROW if self.action == "list" else SNAPSHOT
        return kind.represent(record, record.version.model.task_type)

    def _report(self) -> HttpResponse:
        version = self.get_version(lock=True)
        return self.created(report_snapshot(version=version, reported_by=self.account, **self.body))

    def created(self, snapshot: MetricSnapshot) -> HttpResponse:
        """Answer with a new snapshot, as it is stored."""
        snapshot = self.get_queryset().get(pk=snapshot.pk)
        version = snapshot.version
        location = reverse("snapshot", args=[version.model_id, version.version_id, snapshot.pk])
        return json_response(self.represent(snapshot), status=201, headers={"Location": location})


def _labels_first(matrix: str) -> str:
    """Return the text of a matrix with its labels before its counts, which PostgreSQL turns around."""
    start, between = '{"counts": ', ', "labels": '
    if not matrix.startswith(start):
        return matrix
    end = matrix.index("]]") + 2  # counts are numbers
    return f'{{"labels": {matrix[end + len(between) : -1]}, "counts": {matrix[len(start) : end]}}}'
