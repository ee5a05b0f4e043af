"""Evaluations: predictions that are uploaded, and what comes of them."""

import json
import logging
import re
import uuid
from threading import BoundedSemaphore
from time import monotonic, sleep
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from models_registry.accounts.scopes import Scope
from models_registry.api.errors import APIError, ConflictError, NotFoundError
from models_registry.api.etags import conditional_json_response, json_response
from models_registry.registry.errors import ModelNotFoundError, VersionNotFoundError
from models_registry.registry.viewsets import RegistryViewSet
from performance.evaluations import selectors
from performance.evaluations.errors import EvaluationBrokenOffError, PredictionsRefusedError
from performance.evaluations.models import UPLOADS, EvaluationJob, MisclassifiedExample
from performance.evaluations.serializers import (
    EvaluationInput,
    EvaluationSerializer,
    MisclassificationQuerySerializer,
    MisclassificationSerializer,
    ResidualSerializer,
)
from performance.evaluations.services import refuse_any_evaluation, refuse_evaluation, request_evaluation
from performance.evaluations.uploads import STORAGE_UNAVAILABLE, PredictionsParser
from performance.snapshots import prediction_store
from performance.snapshots.errors import DETAIL_ERRORS, KeptFileUnavailableError, StorageUnavailableError
from performance.snapshots.query_serializers import (
    PageQuerySerializer,
)
from performance.snapshots.selectors import SnapshotLookup
from performance.snapshots.views import PerformanceViewSet

log = logging.getLogger(__name__)

LONGEST_WAIT = 30  # seconds
LOOK_AGAIN = 0.2  # seconds
# A caller who waits keeps a thread, of which some must be left for all others: past two, none is made to wait.
_waiting = BoundedSemaphore(2)
_wait = re.compile(r"(?:^|[,;\s])wait\s*=\s*([0-9]{1,9})\s*(?:$|[,;])", re.IGNORECASE)
_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description=f"`wait=N`: wait up to N seconds, {LONGEST_WAIT} at most, for the end of the evaluation (RFC 7240).",
)
_ERRORS: dict[str, type[APIError]] = {
    error.code: error for error in (PredictionsRefusedError, ConflictError, EvaluationBrokenOffError)
}


class EvaluationViewSet(RegistryViewSet):
    """Evaluations of uploaded predictions."""

    queryset = EvaluationJob.objects.select_related("version__model", "snapshot__detail").defer(
        *(f"snapshot__detail__{name}" for name in ("confusion_matrix", "curves", "per_class", "confidence_intervals"))
    )
    serializer_class = EvaluationSerializer
    parser_classes = (PredictionsParser,)
    scopes = {"create": Scope.MODEL_WRITE, "retrieve": Scope.MODEL_READ}
    errors = {
        "create": (ModelNotFoundError, VersionNotFoundError, PredictionsRefusedError),
        "retrieve": (NotFoundError,),
    }
    inputs = {"create": EvaluationInput}

    def find_target(self) -> Any:
        """Return the version that the URL names, if it takes predictions. Otherwise no upload is read."""
        version = self.get_version()
        refuse_any_evaluation(version)
        return version

    @extend_schema(
        operation_id="evaluate_predictions",
        tags=["evaluations"],
        summary="Evaluate predictions",
        parameters=[_PREFER],
        responses={202: EvaluationSerializer, 201: EvaluationSerializer},
    )
    def create(self, request: Request, model_id: str, version_id: str) -> HttpResponse:
        """Take predictions, and queue their evaluation, of which a snapshot comes.

        202 says where to ask for what becomes of it. With `Prefer: wait=N`, 201 says that the snapshot is stored, and
        422 why there is none.
        """
        first = self.replayed()
        return self._waited(self._accepted() if first is None else first)

    def _accepted(self) -> HttpResponse:
        """Store the predictions, queue their evaluation, and answer with it."""
        version, file = self.target, self.body["file"]
        refuse_evaluation(version, self.body["dataset_split"], self.body["columns"], self.body["options"])
        stored = f"{UPLOADS}/{uuid.uuid4().hex}.{file.kind}"
        try:
            prediction_store.store_upload(stored, file)
            return self.once(lambda: self._request(stored))
        except KeptFileUnavailableError as error:
            log.error("An upload cannot be stored: %s", error)
            raise StorageUnavailableError(STORAGE_UNAVAILABLE) from None
        finally:
            if not EvaluationJob.objects.filter(file=stored).exists():
                prediction_store.delete_upload(stored)

    @extend_schema(operation_id="get_evaluation", tags=["evaluations"], summary="Get an evaluation")
    def retrieve(self, request: Request, evaluation_id: str) -> HttpResponse:
        """Return an evaluation, and how far it is."""
        return self.show(self._permitted(evaluation_id))

    def sent(self) -> Any:
        """Return the form: fields and file."""
        form: Any = self.request.data
        return dict(form.items())  # of which none is repeated

    def fingerprint(self) -> Any:
        """Return what tells this request's body from another: of the file its digest."""
        return {**self.sent(), "file": self.body["file"].digest}

    def get_serializer_context(self) -> dict[str, Any]:
        """Return what the serializer needs to tell of a problem."""
        return {**super().get_serializer_context(), "problem_of": self._problem_of}

    def _request(self, stored: str) -> HttpResponse:
        job = request_evaluation(
            version=self.get_version(lock=True),
            dataset_split=self.body["dataset_split"],
            file=stored,
            digest=self.body["file"].digest,
            columns=self.body["columns"],
            options=self.body["options"],
            requested_by=self.account,
        )
        return self._answer(self.get_queryset().get(pk=job.pk), 202)

    def _answer(self, job: EvaluationJob, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
        location = {"Location": reverse("evaluation", args=[job.pk])}
        return json_response(self.represent(job), status=status, headers={**location, **(headers or {})})

    def _permitted(self, evaluation_id: str) -> EvaluationJob:
        """Return an evaluation of a model that the caller may read. Raises `NotFoundError` or `PermissionDenied`."""
        known = _uuid.fullmatch(evaluation_id)
        job: EvaluationJob | None = self.get_queryset().filter(pk=evaluation_id).first() if known else None
        if job is None:
            raise NotFoundError(f"There is no evaluation {evaluation_id[:40]!r}. Check the id.")
        self.kwargs["model_id"] = job.version.model_id
        self.get_model()
        return job

    def _waited(self, accepted: HttpResponse) -> HttpResponse:
        """Return the answer that was given, or, if the caller prefers to wait for it, what became of the evaluation.

        Raises the error of one that failed.
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
        return self._answer(job, 201, {"Preference-Applied": f"wait={seconds}", **replayed})

    def _ended(self, pk: str, seconds: int) -> EvaluationJob | None:
        """Return the evaluation once it has ended; `None` if it has not within so many seconds."""
        until = monotonic() + seconds
        ended = self.get_queryset().filter(pk=pk, finished_at__isnull=False)
        while (job := ended.first()) is None and monotonic() < until:
            sleep(LOOK_AGAIN)
        return job

    def _problem_of(self, job: EvaluationJob) -> Any:
        answer: Any = self.get_exception_handler()(_error_of(job), self.get_exception_handler_context())
        return json.loads(answer.content)


def _seconds(prefer: str) -> int:
    found = _wait.search(prefer)
    return min(int(found[1]), LONGEST_WAIT) if found else 0


def _error_of(job: EvaluationJob) -> APIError:
    told: dict[str, Any] = {**(job.problem or {})}
    return _ERRORS[told.pop("code")](**told)


class WorstExamplesViewSet(PerformanceViewSet):
    """The examples that a version predicted worst on one split, as far as they were kept."""

    large_columns = ("example_id", "attributes")
    ordering = ("rank", "pk")
    queries = {"misclassifications": MisclassificationQuerySerializer(), "residuals": PageQuerySerializer()}
    errors = dict.fromkeys(queries, DETAIL_ERRORS)

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

    def read_of(self, query: dict[str, Any]) -> SnapshotLookup:
        """Return what the database holds of the version and split that are asked for."""
        return self.read(**{name: query[name] for name in ("dataset_split", "version_id") if name in query})

    def page(self, rows: Any, serializer: Any) -> HttpResponse:
        """Answer with a page of rows."""
        values = serializer(self.paginate_queryset(rows), many=True).data
        return conditional_json_response(self.request, self.get_paginated_response(values).data)


_LOOKUPS = {"actual": "actual", "predicted": "predicted", "min_confidence": "confidence__gte"}
