"""Snapshots over HTTP: list, report and show them."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import cast

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request

from models_registry.accounts.scopes import Scope
from models_registry.api import large_responses
from models_registry.api.etags import json_response, large_json_response, with_etag
from models_registry.api.lookups import get_or_404, parse_row_id
from models_registry.api.viewsets import (
    CREATE_ERRORS,
    AnySerializer,
    CreateModelMixin,
    ListModelMixin,
)
from models_registry.registry.errors import ModelNotFoundError, VersionNotFoundError
from models_registry.registry.models import Version
from models_registry.registry.viewsets import RegistryViewSet
from performance.snapshots.detail_serializers import (
    SNAPSHOT,
    SNAPSHOT_ROW,
    SnapshotBatchSerializer,
)
from performance.snapshots.errors import SnapshotNotFoundError
from performance.snapshots.filters import SnapshotFilters
from performance.snapshots.input_serializers import MAX_BATCH, SnapshotBatchInput, SnapshotInput
from performance.snapshots.models import MetricSnapshot
from performance.snapshots.querysets import MetricSnapshotQuerySet
from performance.snapshots.services import (
    check_report,
    check_reports,
    report_snapshot,
    report_snapshots,
)

MAX_MATRIX_LENGTH = 250_000  # characters of a confusion matrix that is read at the same time as others
PLACEHOLDER = "\0"  # no stored text contains it


@extend_schema_view(
    list=extend_schema(
        operation_id="list_snapshots",
        tags=["snapshots"],
        summary="List snapshots",
        description="Return the snapshots of a version, newest first, without intervals, warnings and matrices.",
        responses=SNAPSHOT.many,
    ),
    create=extend_schema(
        operation_id="report_snapshot",
        tags=["snapshots"],
        summary="Report metrics",
        description=(
            "Store metrics that were measured elsewhere. The task type says which there are, and their bounds."
        ),
        responses={201: SNAPSHOT.one},
    ),
)
class SnapshotViewSet(ListModelMixin, CreateModelMixin, RegistryViewSet):
    """The snapshots of a version, which never change and are never deleted."""

    queryset = MetricSnapshot.objects.select_related("version__model", "detail").without_curves()
    filterset_class = SnapshotFilters
    ordering = ("-evaluated_at", "-pk")
    scopes = {
        "list": Scope.MODEL_READ,
        "create": Scope.MODEL_WRITE,
        "create_batch": Scope.MODEL_WRITE,
        "retrieve": Scope.MODEL_READ,
    }
    errors = {
        "list": (ModelNotFoundError, VersionNotFoundError),
        "create": (ModelNotFoundError, VersionNotFoundError),
        "create_batch": (*CREATE_ERRORS, ModelNotFoundError, VersionNotFoundError),
        "retrieve": (ModelNotFoundError, VersionNotFoundError, SnapshotNotFoundError),
    }
    input_serializers = {"create": SnapshotInput, "create_batch": SnapshotBatchInput}

    @cached_property
    def version(self) -> Version:
        """The version that the URL names."""
        return self.get_version()

    def check_target(self) -> None:
        """Check that the version exists and that the caller has the action's scope on its model."""
        self.version = self.get_version()

    def get_queryset(self) -> MetricSnapshotQuerySet:
        """Return the snapshots of the version: in a list without their details, otherwise with the matrix as text."""
        snapshots = cast(MetricSnapshotQuerySet, super().get_queryset()).filter(version=self.version)
        return snapshots.for_list() if self.action == "list" else snapshots.with_matrix_text()

    def get_object(self) -> MetricSnapshot:  # type: ignore[override]  # no action locks one
        """Return the snapshot that the URL names. Raises `SnapshotNotFoundError`."""
        snapshots = self.get_queryset()
        missing = SnapshotNotFoundError(f"{self.version.version_id} has no such snapshot. Its snapshots are listed.")
        return get_or_404(snapshots, missing, pk=parse_row_id(self.kwargs["snapshot_id"]))

    def get_serializer_class(self) -> type[AnySerializer]:
        """Return the serializer of the body, or of the version's task type."""
        if self.action in self.input_serializers:
            return super().get_serializer_class()
        by_task_type = SNAPSHOT_ROW if self.action == "list" else SNAPSHOT
        return by_task_type[self.version.model.task_type]

    def get_response_serializer(self, record: MetricSnapshot) -> AnySerializer:
        """Return the serializer of a new snapshot."""
        return SNAPSHOT[record.version.model.task_type](record)

    def perform_create(self, serializer: AnySerializer) -> None:
        report = check_report(model=self.version.model, **serializer.validated_data)  # may take a second: not locked
        version = self.get_version(lock=True)
        serializer.instance = report_snapshot(version=version, report=report, reported_by=self.account)

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        return {"Location": reverse("snapshot", args=[data["model_id"], data["version_id"], data["id"]])}

    @extend_schema(
        operation_id="report_snapshots",
        tags=["snapshots"],
        summary="Report metrics in a batch",
        description=(
            f"Store up to {MAX_BATCH} snapshots, all of them or none. Of two of the same time, the later one is newer."
        ),
        responses={201: SnapshotBatchSerializer},
    )
    def create_batch(self, request: Request, model_id: str, version_id: str) -> HttpResponse:
        """Store the snapshots of the body."""
        serializer = self.get_valid_serializer()
        return self.run_idempotent(lambda: self._create_batch(serializer))

    def _create_batch(self, serializer: AnySerializer) -> HttpResponse:
        reports = check_reports(model=self.version.model, reports=serializer.validated_data["snapshots"])
        stored = report_snapshots(version=self.get_version(lock=True), reports=reports, reported_by=self.account)
        headers = {"Location": reverse("snapshots", args=[self.version.model_id, self.version.version_id])}
        return json_response({"snapshot_ids": [str(each.pk) for each in stored]}, status=201, headers=headers)

    @extend_schema(operation_id="get_snapshot", tags=["snapshots"], summary="Get a snapshot", responses=SNAPSHOT.one)
    @large_responses.bounded
    def retrieve(self, request: Request, model_id: str, version_id: str, snapshot_id: str) -> HttpResponse:
        """Return one snapshot."""
        snapshot = self.get_object()
        matrix = snapshot.matrix_text
        if matrix is None or len(matrix) <= MAX_MATRIX_LENGTH:
            if matrix is not None:
                snapshot.detail.confusion_matrix = json.loads(matrix)
            return large_json_response(self.get_serializer(snapshot).data)
        with large_responses.claim():
            return self._response_with_text(snapshot, matrix)

    def _response_with_text(self, snapshot: MetricSnapshot, matrix: str) -> HttpResponse:
        """Return a snapshot with the text of its matrix. Parsing and writing the numbers would block all threads."""
        snapshot.detail.confusion_matrix = None  # otherwise the serializer would read it again
        response = json_response({**self.get_serializer(snapshot).data, "confusion_matrix": PLACEHOLDER})
        body = response.content.replace(json.dumps(PLACEHOLDER).encode(), _labels_first(matrix).encode(), 1)
        return with_etag(body, content_type=response["Content-Type"])


def _labels_first(matrix: str) -> str:
    """Return the text of a matrix with its labels before its counts. PostgreSQL stores them in the other order."""
    start, between = '{"counts": ', ', "labels": '
    if not matrix.startswith(start):
        return matrix
    end = matrix.index("]]") + 2  # counts are numbers
    return f'{{"labels": {matrix[end + len(between) : -1]}, "counts": {matrix[len(start) : end]}}}'
