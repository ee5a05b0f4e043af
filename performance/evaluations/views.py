"""Evaluations of uploaded predictions, and the examples that a version predicts worst, over HTTP."""

import json
import logging
import re
import uuid
from threading import BoundedSemaphore
from time import monotonic, sleep
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.request import Request

from models_registry.accounts.scopes import Scope
from models_registry.api.errors import APIError, ConflictError, NotFoundError
from models_registry.api.etags import json_response, not_modified_or
from models_registry.api.lookups import get_or_404
from models_registry.api.viewsets import RetrieveModelMixin, TableMixin
from models_registry.registry.errors import ModelNotFoundError, VersionNotFoundError
from models_registry.registry.models import Version
from models_registry.registry.viewsets import RegistryViewSet
from performance.evaluations import selectors
from performance.evaluations.errors import EvaluationAbortedError, PredictionsRefusedError
from performance.evaluations.models import UPLOADS, EvaluationJob, MisclassifiedExample, WorstExample
from performance.evaluations.serializers import (
    EvaluationInput,
    EvaluationSerializer,
    MisclassificationQuerySerializer,
    MisclassificationSerializer,
    ResidualSerializer,
    UploadValues,
)
from performance.evaluations.services import check_before_upload, check_options, request_evaluation, with_declared_class
from performance.evaluations.uploads import STORAGE_UNAVAILABLE, PredictionsParser
from performance.snapshots import prediction_store
from performance.snapshots.errors import DETAIL_ERRORS, StorageUnavailableError, StoredFileUnavailableError
from performance.snapshots.query_serializers import PageQuerySerializer
from performance.snapshots.selectors import SnapshotLookup
from performance.snapshots.services import check_accepts_metrics
from performance.snapshots.viewsets import VERSION_QUERY, PerformanceReadViewSet

log = logging.getLogger(__name__)

LONGEST_WAIT = 30  # seconds
LOOK_AGAIN = 0.1  # seconds
# A caller who waits occupies a thread. Only two may, so that threads are left for all others.
_waiting = BoundedSemaphore(2)
_wait = re.compile(r'(?:^|[,;\s])wait\s*=\s*("?)([0-9]{1,9})\1\s*(?:$|[,;])', re.IGNORECASE)
_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description=f"`wait=N`: wait up to N seconds, {LONGEST_WAIT} at most, for the end of the evaluation (RFC 7240).",
)
_LARGE = ("confusion_matrix", "curves", "per_class")
_ERRORS: dict[str, type[APIError]] = {
    error.code: error for error in (PredictionsRefusedError, ConflictError, EvaluationAbortedError)
}


@extend_schema_view(
    retrieve=extend_schema(
        operation_id="get_evaluation",
        tags=["evaluations"],
        summary="Get an evaluation",
        description="Return an evaluation, and how far it is.",
    )
)
class EvaluationViewSet(RetrieveModelMixin, RegistryViewSet):
    """Evaluations of uploaded predictions."""

    queryset = (
        EvaluationJob.objects.with_worker()
        .select_related("version__model", "snapshot__detail")
        .defer(*(f"snapshot__detail__{name}" for name in _LARGE))
    )
    serializer_class = EvaluationSerializer
    parser_classes = (PredictionsParser,)
    scopes = {"create": Scope.MODEL_WRITE, "retrieve": Scope.MODEL_READ}
    errors = {
        "create": (ModelNotFoundError, VersionNotFoundError, PredictionsRefusedError),
        "retrieve": (NotFoundError,),
    }
    input_serializers = {"create": EvaluationInput}
    version: Version  # that the URL of an upload names

    def check_target(self) -> None:
        """Check that the version takes predictions. Otherwise no upload is read."""
        self.version = self.get_version()
        check_before_upload(self.version)

    def get_object(self) -> EvaluationJob:  # type: ignore[override]  # no action locks one
        """Return the evaluation that the URL names, if the caller may read its model. Raises `NotFoundError`."""
        evaluation_id = self.kwargs["evaluation_id"]
        missing = NotFoundError(f"There is no evaluation {evaluation_id[:40]!r}. Check the id.")
        if not _uuid.fullmatch(evaluation_id):
            raise missing
        job: EvaluationJob = get_or_404(self.get_queryset(), missing, pk=evaluation_id)
        self.find_model(job.version.model_id)
        return job

    def get_serializer_context(self) -> dict[str, object]:
        """Return what the serializer needs to show why an evaluation failed."""
        return {**super().get_serializer_context(), "problem_of": self._problem_of}

    @extend_schema(
        operation_id="evaluate_predictions",
        tags=["evaluations"],
        summary="Evaluate predictions",
        parameters=[_PREFER],
        responses={202: EvaluationSerializer, 201: EvaluationSerializer},
    )
    def create(self, request: Request, model_id: str, version_id: str) -> HttpResponse:
        """Store predictions and queue their evaluation, which stores a snapshot.

        The response is 202, with the evaluation's URL in `Location`. With `Prefer: wait=N`, the service waits up to N
        seconds for the end: the response is then 201, or the problem that ended the evaluation.
        """
        fields: Any = request.data
        form = dict(fields.items())  # no field is repeated
        serializer = self.get_serializer(data=form)
        serializer.is_valid(raise_exception=True)
        upload: UploadValues = serializer.validated_data
        body = {**form, "file": upload["file"].digest}
        return self._waited(self.stored_response(body) or self._accept(upload, body))

    def _accept(self, upload: UploadValues, body: dict[str, object]) -> HttpResponse:
        """Store the predictions, queue their evaluation, and respond with it."""
        check_accepts_metrics(self.version, upload["dataset_split"])  # before the file is stored for nothing
        check_options(self.version.model.task_type, upload["columns"], upload["options"])
        upload["options"] = with_declared_class(self.version.model, upload["options"])
        stored = f"{UPLOADS}/{uuid.uuid4().hex}.{upload['file'].find_format(upload['format'])}"
        try:
            prediction_store.store_upload(stored, upload["file"])
            return self.run_idempotent(lambda: self._request(upload, stored), body=body)
        except StoredFileUnavailableError as error:
            log.error("An upload cannot be stored: %s", error)
            raise StorageUnavailableError(STORAGE_UNAVAILABLE) from None
        finally:
            if not EvaluationJob.objects.filter(file=stored).exists():
                prediction_store.delete_upload(stored)

    def _request(self, upload: UploadValues, stored: str) -> HttpResponse:
        job = request_evaluation(
            version=self.get_version(lock=True),
            dataset_split=upload["dataset_split"],
            file=stored,
            digest=upload["file"].digest,
            columns=upload["columns"],
            options=upload["options"],
            requested_by=self.account,
            dataset=upload["dataset"].name,
            dataset_version=upload["dataset"].version,
        )
        return self._response(self.get_queryset().get(pk=job.pk), 202)

    def _response(self, job: EvaluationJob, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
        location = {"Location": reverse("evaluation", args=[job.pk])}
        data = self.get_response_serializer(job).data
        return json_response(data, status=status, headers={**location, **(headers or {})})

    def _waited(self, accepted: HttpResponse) -> HttpResponse:
        """Return the response, or the ended evaluation if the caller prefers to wait for it.

        Raises the error of an evaluation that failed.
        """
        seconds = _seconds(self.request.headers.get("Prefer", ""))
        if not seconds or not _waiting.acquire(blocking=False):
            return accepted
        try:
            job = self._ended(json.loads(accepted.content)["id"], seconds)
        finally:
            _waiting.release()
        if job is None:
            return accepted
        if job.problem is not None:
            raise _error_of(job)
        replayed = {name: accepted[name] for name in ("Idempotency-Replayed",) if name in accepted}
        return self._response(job, 201, {"Preference-Applied": f"wait={seconds}", **replayed})

    def _ended(self, pk: str, seconds: int) -> EvaluationJob | None:
        """Return the evaluation once it has ended, or `None` if that takes more than `seconds`."""
        until = monotonic() + seconds
        ended = self.get_queryset().filter(pk=pk, finished_at__isnull=False)
        while (job := ended.first()) is None and monotonic() < until:
            sleep(LOOK_AGAIN)
        return job

    def _problem_of(self, job: EvaluationJob) -> object:
        answer = self.get_exception_handler()(_error_of(job), self.get_exception_handler_context())
        return json.loads(answer.content)


def _seconds(prefer: str) -> int:
    found = _wait.search(prefer)
    return min(int(found[2]), LONGEST_WAIT) if found else 0


def _error_of(job: EvaluationJob) -> APIError:
    problem = {**(job.problem or {})}
    return _ERRORS[problem.pop("code")](**problem)


class WorstExamplesViewSet(TableMixin, PerformanceReadViewSet):
    """The examples that a version predicted worst on one split, if they were stored."""

    table_actions = ("misclassifications", "residuals")
    large_columns = ("example_id", "attributes")
    ordering = ("rank", "pk")
    query_serializers = {"misclassifications": MisclassificationQuerySerializer(), "residuals": PageQuerySerializer()}
    errors = dict.fromkeys(query_serializers, DETAIL_ERRORS)
    response_serializers = {"misclassifications": MisclassificationSerializer, "residuals": ResidualSerializer}

    def check_query(self) -> None:
        """Validate the query, and refuse a bad cursor before the database is asked."""
        super().check_query()
        if self.action in self.query_serializers:
            self.paginate_queryset(MisclassifiedExample.objects.none())

    @extend_schema(
        operation_id="list_misclassifications",
        tags=["performance"],
        summary="Misclassified examples",
        parameters=[MisclassificationQuerySerializer],
        responses=MisclassificationSerializer(many=True),
    )
    def misclassifications(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with the wrongly predicted examples, the most confidently wrong first: at most 1,000 are kept."""
        conditions = {lookup: self.query[name] for name, lookup in selectors.CONDITIONS.items() if name in self.query}
        return self._page(selectors.misclassifications(self._look_up_version(model_id), **conditions))

    @extend_schema(
        operation_id="list_residuals",
        tags=["performance"],
        summary="Largest errors",
        parameters=[PageQuerySerializer],
        responses=ResidualSerializer(many=True),
    )
    def residuals(self, request: Request, model_id: str) -> HttpResponse:
        """Answer with the examples of the largest absolute errors, the largest first: at most 1,000 are kept."""
        return self._page(selectors.residuals(self._look_up_version(model_id)))

    def _look_up_version(self, model_id: str) -> SnapshotLookup:
        return self.look_up(model_id, **{name: self.query[name] for name in VERSION_QUERY if name in self.query})

    def _page(self, examples: QuerySet[WorstExample]) -> HttpResponse:
        data = self.get_serializer(self.paginate_queryset(examples), many=True).data
        return not_modified_or(self.request, self.table_response(self.get_paginated_response(data).data))
