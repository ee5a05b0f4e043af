"""Reads of performance over HTTP, and the snapshots that they read."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet, Value
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request

from models_registry.accounts.scopes import Scope
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.api import large_responses
from models_registry.api.errors import NotFoundError
from models_registry.api.etags import conditional_json_response, json_response, with_etag
from models_registry.api.lookups import get_or_404, parse_row_id
from models_registry.api.query import parse_query
from models_registry.api.viewsets import (
    CREATE_ERRORS,
    AnySerializer,
    APIViewSet,
    CreateModelMixin,
    Errors,
    ListModelMixin,
)
from models_registry.registry.errors import ModelNotFoundError, VersionNotFoundError
from models_registry.registry.models import Version
from models_registry.registry.viewsets import RegistryViewSet
from performance.snapshots import selectors
from performance.snapshots.curves_serializers import CURVES
from performance.snapshots.dataset_serializers import DatasetSerializer, NewDatasetInput
from performance.snapshots.detail_serializers import (
    REPORT,
    SNAPSHOT,
    SNAPSHOT_ROW,
    SliceSerializer,
    SnapshotBatchSerializer,
    StoredMatrixSerializer,
)
from performance.snapshots.errors import DETAIL_ERRORS, SNAPSHOT_ERRORS, VERSION_ERRORS, SnapshotNotFoundError
from performance.snapshots.filters import SnapshotFilters
from performance.snapshots.input_serializers import MAX_BATCH, SnapshotBatchInput, SnapshotInput
from performance.snapshots.models import Dataset, DatasetVersion, MetricSnapshot, SnapshotSlice
from performance.snapshots.permissions import CanReadPerformance
from performance.snapshots.query_serializers import (
    ConfusionMatrixQuerySerializer,
    HistoryQuerySerializer,
    PerformanceQuerySerializer,
    SlicesQuerySerializer,
)
from performance.snapshots.querysets import MetricSnapshotQuerySet
from performance.snapshots.selectors import SnapshotLookup
from performance.snapshots.serializers import SUMMARY, ByTaskType, HistorySerializer, shared_serializer
from performance.snapshots.services import (
    check_report,
    check_reports,
    create_dataset,
    report_snapshot,
    report_snapshots,
)

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


class PerformanceViewSet(APIViewSet):
    """Reads of how well a version of a model does on one split. They never evaluate a model."""

    permission_classes = (CanReadPerformance,)
    http_method_names = ["get", "head"]
    filter_backends = ()
    ordering = ("evaluated_at", "pk")  # of the history
    query_serializers: Mapping[str, serializers.Serializer[Any]] = {  # by action
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
    response_serializers: Mapping[str, ByTaskType | type[serializers.Serializer[Any]]] = {  # by action
        "summary": SUMMARY,
        "report": REPORT,
        "confusion_matrix": StoredMatrixSerializer,
        "curves": CURVES,
        "history": HistorySerializer,
    }
    query: dict[str, Any]
    task_type: str

    def check_account(self) -> None:
        """Do nothing: the statement that reads performance checks the account as well."""

    def check_query(self) -> None:
        """Validate the query. Raises `UnknownParameterError` or `InvalidParameterError`."""
        if self.action in self.query_serializers:
            self.query = parse_query(self.request, self.query_serializers[self.action])

    def look_up(self, model_id: str, **query: Any) -> SnapshotLookup:
        """Return what the database holds of a model, if the caller may read it."""
        lookup = selectors.read_performance(
            caller=self.request.user,  # type: ignore[arg-type]  # BearerAuthentication's caller
            model_id=model_id,
            **query,
        )
        self.check_object_permissions(self.request, lookup)
        self.task_type = lookup.task_type
        return lookup

    def get_serializer_class(self) -> type[serializers.Serializer[Any]]:
        """Return the serializer of the action's response, which may depend on the model's task type."""
        serializer = self.response_serializers[self.action]
        return serializer[self.task_type] if isinstance(serializer, ByTaskType) else serializer

    def serialize(self, record: Any) -> Any:
        """Return a record as the action's serializer represents it."""
        return shared_serializer(self.get_serializer_class()).to_representation(record)

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
        return json_response(self.serialize(snapshot))

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
        page = selectors.confusion_matrix(self.look_up(model_id, **self.query), offset=offset)
        context = {"normalize": normalize, "url": request.build_absolute_uri()}
        response = json_response(StoredMatrixSerializer(page, context=context).data)
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
        return json_response(self.serialize(snapshot))

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
        return conditional_json_response(request, self.get_paginated_response(values).data)


class SlicesViewSet(PerformanceViewSet):
    """The slices of a version's examples by an attribute."""

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
        return conditional_json_response(request, self.get_paginated_response(data).data)


VERSION_QUERY = ("dataset_split", "dataset", "version_id")  # the query parameters that name a snapshot
MAX_MATRIX_LENGTH = 250_000  # characters of a confusion matrix that is read at the same time as others
MAX_LISTED_VERSIONS = 20  # of a dataset
PLACEHOLDER = "\0"  # no stored text contains it


@extend_schema_view(
    list=extend_schema(
        operation_id="list_snapshots",
        tags=["snapshots"],
        summary="List snapshots",
        description="Return the snapshots of a version, newest first, without their confusion matrices.",
        responses=SNAPSHOT_ROW.many,
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
        snapshots: Any = super().get_queryset()
        snapshots = snapshots.for_list() if self.action == "list" else snapshots.with_matrix_text()
        of_version: MetricSnapshotQuerySet = snapshots.filter(version=self.version)
        return of_version

    def get_object(self) -> Any:  # type: ignore[override]  # no action locks one
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
        stored = report_snapshot(version=self.get_version(lock=True), report=report, reported_by=self.account)
        serializer.instance = super().get_queryset().get(pk=stored.pk)  # as the database stores its JSON

    def get_success_headers(self, data: Any) -> dict[str, str]:
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
            return json_response(self.get_serializer(snapshot).data)
        with large_responses.claim():
            return self._response_with_text(snapshot, matrix)

    def _response_with_text(self, snapshot: MetricSnapshot, matrix: str) -> HttpResponse:
        """Return a snapshot with the text of its matrix. Parsing and writing the numbers would block all threads."""
        snapshot.detail.confusion_matrix = None  # otherwise the serializer would read it again
        response = json_response({**self.get_serializer(snapshot).data, "confusion_matrix": PLACEHOLDER})
        body = response.content.replace(json.dumps(PLACEHOLDER).encode(), _labels_first(matrix).encode(), 1)
        return with_etag(body, content_type=response["Content-Type"])


@extend_schema_view(
    list=extend_schema(
        operation_id="list_datasets",
        tags=["datasets"],
        summary="List datasets",
        description=(
            "Return the datasets of an organization by name, each with the newest versions and digests that snapshots "
            f"of the organization's models have named, at most {MAX_LISTED_VERSIONS}."
        ),
    ),
    create=extend_schema(
        operation_id="create_dataset",
        tags=["datasets"],
        summary="Declare a dataset",
        description="Declare a dataset. A snapshot that names a new dataset declares it too, without a description.",
    ),
)
class DatasetViewSet(ListModelMixin, CreateModelMixin, OrganizationScopedViewSet):
    """The datasets that an organization evaluates its models on."""

    queryset = Dataset.objects.prefetch_related(
        Prefetch("versions", DatasetVersion.objects.order_by("-pk")[:MAX_LISTED_VERSIONS], to_attr="newest_versions")
    )
    serializer_class = DatasetSerializer
    ordering = ("name",)
    large_columns = ("description",)
    scopes = {"list": Scope.ORGANIZATION_VIEWER, "create": Scope.ORGANIZATION_EDITOR}
    errors = (NotFoundError,)
    input_serializers = {"create": NewDatasetInput}

    def get_queryset(self) -> QuerySet[Dataset]:
        """Return the datasets of the organization that the URL names."""
        return super().get_queryset().filter(organization=self.get_organization())

    def perform_create(self, serializer: AnySerializer) -> None:
        organization = self.get_organization(lock=True)
        stored = create_dataset(organization=organization, created_by=self.account, **serializer.validated_data)
        serializer.instance = super().get_queryset().get(pk=stored.pk)  # with its versions


def _labels_first(matrix: str) -> str:
    """Return the text of a matrix with its labels before its counts. PostgreSQL stores them in the other order."""
    start, between = '{"counts": ', ', "labels": '
    if not matrix.startswith(start):
        return matrix
    end = matrix.index("]]") + 2  # counts are numbers
    return f'{{"labels": {matrix[end + len(between) : -1]}, "counts": {matrix[len(start) : end]}}}'
