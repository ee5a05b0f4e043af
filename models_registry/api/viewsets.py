"""The base class of the API's viewsets, and DRF's mixins with conditional requests and idempotency.

A viewset is written as in DRF: it lists the mixins of its actions and overrides DRF's hooks, such as `get_queryset`,
`get_object` and `perform_create`. `input_serializers` names the serializer of each action that takes a body, and
`serializer_class` the serializer of what the actions respond with.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeAlias

from django.db import transaction
from django.db.models import Model
from django.http import HttpResponse
from django_filters.rest_framework import FilterSet
from rest_framework import mixins, serializers
from rest_framework.exceptions import NotAcceptable
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

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
from models_registry.api.etags import conditional_json_response, json_response, refuse_lost_update
from models_registry.api.filters import StrictFilterBackend
from models_registry.api.idempotency import check_key, run_idempotent, stored_response
from models_registry.api.pagination import SignedCursorPagination
from models_registry.api.query import invalid_parameters, refuse_unknown_parameters

AnySerializer: TypeAlias = serializers.BaseSerializer[Any]
Errors: TypeAlias = tuple[type[APIError], ...]
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
    order_parameters: tuple[str, ...] = ()  # parameters of the query that change a list's order beside `ordering`
    ordering: tuple[str, ...] = ()
    ordering_fields: tuple[str, ...] = ()
    input_serializers: ClassVar[dict[str, type[AnySerializer]]] = {}  # by action

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Let only the caller's own cache keep a response, and only if it asks each time whether it is still valid."""
        return {"Cache-Control": "private, no-cache", "Vary": "Authorization"}

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Check the caller (401), then the query (400), then what the URL names (404, 403).

        The action reads the body afterwards, so that nobody can send a body without the right to.
        """
        super().initial(request, *args, **kwargs)
        self.check_account()
        self.check_query()
        if self.action in self.input_serializers:
            self.check_target()

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
        repeated = refuse_unknown_parameters(self.request, ["cursor", "page_size", *ordering, *filters])
        self.paginate_queryset(self.filter_queryset(super().get_queryset().none()))  # asks the database nothing
        if repeated:
            raise invalid_parameters(repeated)

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


class NamedFormatMixin(APIViewSet):
    """A view whose response has the form that the parameter `format` names, or else one that `Accept` names."""

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Say that the form depends on what is accepted."""
        return {**super().default_response_headers, "Vary": "Authorization, Accept"}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Return the renderer and its media type. Raises `NotAcceptable`."""
        form = request.query_params.get("format")
        named = [each for each in self.get_renderers() if each.format == form] if form else []
        if not named:
            return super().perform_content_negotiation(request, force)
        try:
            return self.get_content_negotiator().select_renderer(request, named)
        except NotAcceptable:
            return named[0], named[0].media_type


class ListModelMixin(mixins.ListModelMixin, APIViewSet):
    """Lists records, page by page. Responds with 304 if the caller has the page."""

    def list(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:  # type: ignore[override]
        return conditional_json_response(request, super().list(request, *args, **kwargs).data)


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


def lock_row(record: Model) -> None:
    """Lock a row until the transaction ends. Read it and what depends on it again afterwards.

    Of a statement that waits for a lock, PostgreSQL repeats only the read of the locked row: what is joined to it, such
    as the caller's rights, may have changed meanwhile.
    """
    list(type(record)._default_manager.select_for_update().filter(pk=record.pk).values_list("pk"))
