"""Snapshots of a version: reported, and listed."""

import json
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from models_registry.api.base import RegistryViewSet
from models_registry.api.conditional import represent, tagged, unless_known
from models_registry.api.model_views import row_id
from models_registry.scopes import Scope
from performance import large_answers
from performance.api.filters import SnapshotFilters
from performance.api.snapshot_serializers import SNAPSHOT, SNAPSHOT_ROW, SnapshotInput
from performance.exceptions import SnapshotNotFoundError
from performance.models import MetricSnapshot
from performance.selectors import large_reads
from performance.services import report_snapshot

MAX_MATRIX_LENGTH = 250_000  # characters of a confusion matrix that is read at once with any other
PLACE = "\0"  # which no stored text holds


class SnapshotViewSet(RegistryViewSet):
    """The snapshots of a version, which never change and are never deleted."""

    queryset = MetricSnapshot.objects.select_related("version__model", "detail").without_curves()
    filterset_class = SnapshotFilters
    ordering = ("-evaluated_at", "-pk")
    scopes = {"list": Scope.MODEL_READ, "create": Scope.MODEL_WRITE, "retrieve": Scope.MODEL_READ}
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
        return large_answers.prepare(request.path, lambda: (self._whole(snapshot_id), False))

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
        whole = represent({**self.represent(snapshot), "confusion_matrix": PLACE})
        body = whole.content.replace(json.dumps(PLACE).encode(), _labels_first(matrix).encode(), 1)
        return unless_known(self.request, tagged(body, content_type=whole["Content-Type"]))

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
        return represent(self.represent(snapshot), status=201, headers={"Location": location})


def _labels_first(matrix: str) -> str:
    """Return the text of a matrix with its labels before its counts, which PostgreSQL turns around."""
    start, between = '{"counts": ', ', "labels": '
    if not matrix.startswith(start):
        return matrix
    end = matrix.index("]]") + 2  # counts are numbers
    return f'{{"labels": {matrix[end + len(between) : -1]}, "counts": {matrix[len(start) : end]}}}'
