"""The base class of the API's viewsets, and DRF's mixins with conditional requests and idempotency.

A viewset is written as in DRF: it lists the mixins of its actions and overrides DRF's hooks, such as `get_queryset`,
`get_object` and `perform_create`. `input_serializers` names the serializer of each action that takes a body, and
`serializer_class` the serializer of what the actions respond with.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias

from django.db import transaction
from django.http import HttpResponse
from django_filters.rest_framework import FilterSet
from rest_framework import mixins, serializers
from rest_framework.exceptions import NotAcceptable
from rest_framework.filters import BaseFilterBackend
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from models_registry.api.csv_responses import csv_page
from models_registry.api.csv_tables import Row
from models_registry.api.errors import (
    APIError,
    ConflictError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    InvalidBodyError,
    InvalidParameterError,
    PreconditionFailedError,
    UnknownParameterError,
)
from models_registry.api.etags import (
    conditional_json_response,
    encode_json,
    json_response,
    not_modified_or,
    refuse_lost_update,
)
from models_registry.api.filters import StrictFilterBackend
from models_registry.api.headers import ConstantHeaders
from models_registry.api.idempotency import check_key, run_idempotent, stored_response
from models_registry.api.pagination import SignedCursorPagination
from models_registry.api.query import invalid_parameters, refuse_unknown_parameters
from models_registry.api.renderers import CSVRenderer

AnySerializer: TypeAlias = serializers.BaseSerializer[Any]
Errors: TypeAlias = tuple[type[APIError], ...]
TABLE_FORMATS = (JSONRenderer.format, CSVRenderer.format)
READ_ERRORS: Errors = (UnknownParameterError, PreconditionFailedError)
CREATE_ERRORS: Errors = (
    UnknownParameterError,
    InvalidParameterError,
    InvalidBodyError,
    ConflictError,
    IdempotencyInProgressError,
    IdempotencyMismatchError,
)
UPDATE_ERRORS: Errors = (UnknownParameterError, InvalidBodyError, ConflictError, PreconditionFailedError)
DELETE_ERRORS: Errors = (UnknownParameterError, ConflictError, PreconditionFailedError)


class APIViewSet(GenericViewSet[Any]):
    """The base class of all viewsets. Every request passes the same checks in the same order.

    `errors` names the errors that the actions can answer with, for all of them or by action. What a class declares is
    added to what its base classes declare, and its authentication, permission and throttle classes.
    """

    errors: ClassVar[Errors | dict[str, Errors]] = {
        "list": (*READ_ERRORS, InvalidParameterError),
        "retrieve": READ_ERRORS,
        "create": CREATE_ERRORS,
        "update": UPDATE_ERRORS,
        "partial_update": UPDATE_ERRORS,
        "destroy": DELETE_ERRORS,
    }

    pagination_class = SignedCursorPagination
    filter_backends: tuple[type[BaseFilterBackend], ...] = (StrictFilterBackend,)
    filterset_class: type[FilterSet] | None = None
    large_columns: tuple[str, ...] = ()  # columns that may be so long that a page of a list ends early
    order_parameters: tuple[str, ...] = ()  # parameters of the query that change a list's order besides `ordering`
    ordering: tuple[str, ...] = ()
    ordering_fields: tuple[str, ...] = ()
    input_serializers: ClassVar[dict[str, type[AnySerializer]]] = {}  # by action

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Let only the caller's own cache keep a response, and only if it asks each time whether it is still valid."""
        return {"Cache-Control": "private, no-cache", "Vary": "Authorization"}

    def finalize_response(self, request: Request, response: Any, *args: object, **kwargs: object) -> Any:
        """Set the default headers of the response. DRF would check the text of each again."""
        self._break_cycles(request)
        if isinstance(response, Response) or "Vary" in response.headers:
            return super().finalize_response(request, response, *args, **kwargs)
        _checked(**self.headers).override(response)
        return response

    def _break_cycles(self, request: Request) -> None:
        """Remove the references from the request to the view, so that both are freed without the garbage collector."""
        request.parser_context.clear()
        for method in self.action_map:
            vars(self).pop(method, None)

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Check the caller (401), then the query (400), then what the URL names (404, 403).

        The action reads the body afterwards, so that nobody can send a body without the right to.
        """
        super().initial(request, *args, **kwargs)
        self.check_account()
        self.check_query()
        if self.action in self.input_serializers:
            self.check_target()

    def perform_authentication(self, request: Request) -> None:
        """Authenticate the caller. The first look at `request.user` would raise three exceptions to get here."""
        request._authenticate()  # type: ignore[attr-defined]  # the stubs lack it

    def check_account(self) -> None:
        """Load the caller's account. Raises `InvalidTokenError` if it may no longer log in."""
        self.account = self.request.user.load_account()  # type: ignore[union-attr]  # BearerAuthentication's caller

    def check_query(self) -> None:
        """Check the query and the `Idempotency-Key` without asking the database.

        Raises `UnknownParameterError` or `InvalidParameterError`.
        """
        if self.action == "list":
            self._check_list_query()
        else:
            refuse_unknown_parameters(self.request, ())
        check_key(self.request)

    def _check_list_query(self) -> None:
        ordering = ["ordering"] if self.ordering_fields else []
        filters = list(self.filterset_class.base_filters) if self.filterset_class else []
        known = ["cursor", "page_size", *ordering, *filters, *self.check_format()]
        repeated = refuse_unknown_parameters(self.request, known)
        self.paginate_queryset(self.filter_queryset(super().get_queryset().none()))  # asks the database nothing
        if repeated:
            raise invalid_parameters(repeated)

    def check_format(self) -> Collection[str]:
        """Return the parameters of the query that name the form of the response, which are checked."""
        return ()

    def check_target(self) -> None:
        """Check that what the URL names exists and that the caller has the action's scope on it."""
        raise NotImplementedError

    def get_object(self, *, lock: bool = False) -> Any:
        """Return the record that the URL names, locked until the transaction ends if `lock` is true."""
        raise NotImplementedError

    def get_serializer_class(self) -> type[AnySerializer]:
        """Return the serializer of the action's body, or of its response if it takes no body."""
        return self.input_serializers.get(self.action) or super().get_serializer_class()

    def get_response_serializer(self, record: Any) -> AnySerializer:
        """Return the serializer of the response to a write."""
        return super().get_serializer_class()(record, context=self.get_serializer_context())

    def get_valid_serializer(self) -> AnySerializer:
        """Return the serializer of the body, which is read and validated. Raises `ValidationError`."""
        serializer = self.get_serializer(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer

    def check_if_match(self, record: Any) -> None:
        """Refuse to change a record if `If-Match` names another state of it. Raises `PreconditionFailedError`."""
        if "If-Match" in self.request.headers:
            refuse_lost_update(self.request, self.get_response_serializer(record).data)

    @property
    def user_id(self) -> int:
        """The primary key of the caller."""
        return int(self.request.user.pk)  # type: ignore[arg-type]  # BearerAuthentication's caller

    @contextmanager
    def audited_transaction(self) -> Iterator[None]:
        """Run the block in one transaction."""
        with transaction.atomic():
            yield

    def run_idempotent(
        self, work: Callable[[], HttpResponse], *, body: object = None, shown_once: tuple[str, ...] = ()
    ) -> HttpResponse:
        """Run `work` in one transaction, unless the same request was made before under the same `Idempotency-Key`.

        Args:
            work: writes, and returns the response.
            body: what distinguishes the request from others to the same path, as JSON; by default its body.
            shown_once: members of the response that a repeated response has as null.
        """
        body = self.request.data if body is None else body
        with self.audited_transaction():
            return run_idempotent(self.request, self.user_id, body, work, shown_once=shown_once)

    def stored_response(self, body: object = None) -> HttpResponse | None:
        """Return the response that `run_idempotent` would repeat, or `None` if the request is new."""
        body = self.request.data if body is None else body
        return stored_response(self.request, self.user_id, body)


@lru_cache
def _checked(**headers: str) -> ConstantHeaders:
    return ConstantHeaders(headers)


class NamedFormatMixin(APIViewSet):
    """A view whose response has the form that the parameter `format` names, or else one that `Accept` names."""

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Say that the form depends on what is accepted."""
        return {**super().default_response_headers, "Vary": "Authorization, Accept"}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Return the renderer and its media type. Raises `NotAcceptable`."""
        form = request.query_params.get("format") if request._request.META.get("QUERY_STRING") else None
        named = [each for each in self.get_renderers() if each.format == form] if form else []
        if not named:
            return super().perform_content_negotiation(request, force)
        try:
            return self.get_content_negotiator().select_renderer(request, named)
        except NotAcceptable:
            return named[0], named[0].media_type


class TableMixin(NamedFormatMixin):
    """A view with actions whose response is a table: as JSON, or as CSV with the same rows."""

    table_actions: tuple[str, ...] = ("list",)

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Say that the form of a table depends on what is accepted."""
        if self.is_table:
            return super().default_response_headers
        return super(NamedFormatMixin, self).default_response_headers  # that of other actions, such as the summary

    @property
    def is_table(self) -> bool:
        """Whether the action responds with a table."""
        return self.action in self.table_actions

    def get_renderers(self) -> list[BaseRenderer]:
        """Return JSON, and CSV for a table."""
        return [*super().get_renderers(), CSVRenderer()] if self.is_table else super().get_renderers()

    def check_format(self) -> Collection[str]:
        """Check the parameter `format`. Raises `InvalidParameterError`."""
        if not self.is_table:
            return ()
        if self.request.query_params.get("format", "json") not in TABLE_FORMATS:
            raise invalid_parameters([("format", "invalid_choice", f"Must be one of {', '.join(TABLE_FORMATS)}.")])
        return ("format",)

    def table_rows(self, data: dict[str, Any]) -> Sequence[Row]:
        """Return the rows of the table that a document contains: its results, or the document itself."""
        rows: Sequence[Row] = data.get("results", [data])
        return rows

    def table_response(
        self, data: object, *, as_json: Callable[[object], HttpResponse] = json_response
    ) -> HttpResponse:
        """Return a document with its ETag, in the form that is accepted; `as_json` returns it as JSON."""
        if self.request.accepted_renderer.format != CSVRenderer.format:
            return as_json(data)
        document = json.loads(encode_json(data))  # plain values, as they are in JSON
        rows = self.table_rows(document)
        columns = [] if rows else list(self.get_serializer_class()().fields)  # type: ignore[attr-defined]
        return csv_page(self.request.path, rows, document, columns)


class ListModelMixin(mixins.ListModelMixin, TableMixin):
    """Lists records, page by page. Responds with 304 if the caller has the page."""

    def list(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:  # type: ignore[override]
        return not_modified_or(request, self.table_response(super().list(request, *args, **kwargs).data))


class RetrieveModelMixin(mixins.RetrieveModelMixin, APIViewSet):
    """Shows one record. Responds with 304 if the caller has it."""

    def retrieve(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:  # type: ignore[override]
        return conditional_json_response(request, super().retrieve(request, *args, **kwargs).data)


class CreateModelMixin(mixins.CreateModelMixin, APIViewSet):
    """Creates a record, once for each `Idempotency-Key`. `perform_create` sets the serializer's `instance`."""

    shown_once: tuple[str, ...] = ()  # members of the response that a repeated response has as null

    def create(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:  # type: ignore[override]
        serializer = self.get_valid_serializer()
        return self.run_idempotent(lambda: self._create(serializer), shown_once=self.shown_once)

    def _create(self, serializer: AnySerializer) -> HttpResponse:
        self.perform_create(serializer)
        data = self.get_response_serializer(serializer.instance).data
        return json_response(data, status=201, headers=self.get_success_headers(data))


class UpdateModelMixin(mixins.UpdateModelMixin, APIViewSet):
    """Changes a record, unless `If-Match` names another state of it. `perform_update` sets the serializer's `instance`.

    The action's serializer says itself which fields the body may leave out.
    """

    def update(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:  # type: ignore[override]
        serializer = self.get_valid_serializer()
        with self.audited_transaction():
            serializer.instance = self.get_object(lock=True)
            self.check_if_match(serializer.instance)
            self.perform_update(serializer)
            return json_response(self.get_response_serializer(serializer.instance).data)


class DestroyModelMixin(mixins.DestroyModelMixin, APIViewSet):
    """Removes a record, unless `If-Match` names another state of it."""

    def destroy(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:  # type: ignore[override]
        with self.audited_transaction():
            record = self.get_object(lock=True)
            self.check_if_match(record)
            self.perform_destroy(record)
        return HttpResponse(status=204)
