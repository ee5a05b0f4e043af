"""What the registry's views have in common: who calls, what of, and how a write is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model
from django.http import HttpResponse
from rest_framework import serializers
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
from models_registry.api.idempotency import check_key, replayed, run_idempotent
from models_registry.api.pagination import SignedCursorPagination
from models_registry.api.query import invalid_parameters, refuse_unknown

Errors = tuple[type[APIError], ...]
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
    """Reads and writes of records.

    The checks come in the contract's order: 401, 400 of the query, 404 and 403 of what the URL names, then the body.
    A subclass declares in `inputs` what each of its actions takes as its body.

    `errors` names the errors that the actions can answer with, for all of them or by action. What a class declares is
    added to what its base classes declare, and its authentication, permission and throttle classes.
    """

    errors: ClassVar[Errors | dict[str, Errors]] = {
        "list": (*READ_ERRORS, InvalidParameterError),
        "retrieve": READ_ERRORS,
        "create": CREATE_ERRORS,
        "partial_update": UPDATE_ERRORS,
        "destroy": DELETE_ERRORS,
    }

    pagination_class = SignedCursorPagination
    filter_backends: tuple[type[BaseFilterBackend], ...] = (StrictFilterBackend,)
    filterset_class: type[Any] | None = None
    large_columns: tuple[str, ...] = ()  # which may make a page of a list long, and so end it early
    ordering: tuple[str, ...] = ()
    ordering_fields: tuple[str, ...] = ()
    inputs: ClassVar[dict[str, type[serializers.Serializer[Any]]]] = {}

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Let only the caller's own cache keep an answer, and only to ask whether it still holds."""
        return {"Cache-Control": "private, no-cache", "Vary": "Authorization"}

    # Who calls, and what with

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the caller, the query and the rights, and read the body last.

        Nobody has the server read, keep or parse a body without the right to send it.
        """
        super().initial(request, *args, **kwargs)
        self.account = self.caller.load_account()
        if self.action != "list":
            refuse_unknown(request, ())
        check_key(request)
        self.body: dict[str, Any] = {}
        if self.action in self.inputs:
            self.target = self.find_target()
            self.body = self._read_body()

    @property
    def caller(self) -> Any:
        """What the token says of the caller."""
        return self.request.user

    @property
    def everywhere(self) -> bool:
        """Whether the caller needs no role and no grant."""
        is_superuser: bool = self.account.is_superuser
        return is_superuser

    def find_target(self) -> Any:
        """Return what the URL names, for an action that takes a body. It is called before the body is read."""
        raise NotImplementedError

    def _read_body(self) -> dict[str, Any]:
        body = self.inputs[self.action](data=self.sent())
        body.is_valid(raise_exception=True)
        values: dict[str, Any] = body.validated_data
        return values

    def sent(self) -> Any:
        """Return the body as it was sent."""
        return self.request.data

    def fingerprint(self) -> Any:
        """Return what tells the body from another, as JSON has it."""
        return self.sent()

    # What is answered

    def represent(self, record: Any) -> Any:
        """Return a record as the API has it."""
        return self.record_serializer.to_representation(record)

    @cached_property
    def record_serializer(self) -> Any:
        """The serializer of the request's records: making one for each row of a list takes longer than its use."""
        return self.get_serializer()

    def show(self, record: Any) -> HttpResponse:
        """Answer with a record."""
        return conditional_json_response(self.request, self.represent(record))

    def page(self, rows: Callable[[], Any]) -> HttpResponse:
        """Answer with a page of the rows, which are asked for when the query has been found good."""
        self._refuse_bad_query()
        page = self.paginate_queryset(self.filter_queryset(rows()))
        return conditional_json_response(
            self.request, self.get_paginated_response([self.represent(row) for row in page or ()]).data
        )

    def _refuse_bad_query(self) -> None:
        """Have no rows filtered, ordered and paged as the query says, which asks the database nothing."""
        own = ["ordering"] if self.ordering_fields else []
        filters = list(self.filterset_class.base_filters) if self.filterset_class else []
        repeated = refuse_unknown(self.request, ["cursor", "page_size", *own, *filters])
        self.paginate_queryset(self.filter_queryset(self.get_queryset().none()))
        if repeated:
            raise invalid_parameters(repeated)

    # How a write is done

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Do what is done inside in one transaction."""
        with transaction.atomic():
            yield

    def once(self, work: Callable[[], HttpResponse], **options: Any) -> HttpResponse:
        """Answer with what `work` does, or did when the request was made before under the same key."""
        with self.writing():
            return run_idempotent(self.request, self.account.pk, self.fingerprint, work, **options)

    def replayed(self) -> HttpResponse | None:
        """Return the answer that `once` would repeat; `None` if the request is new."""
        return replayed(self.request, self.account.pk, self.fingerprint)

    def changed(self, record: Any, change: Callable[[], Any]) -> HttpResponse:
        """Change a record, unless the caller knows another state of it, and answer with what became of it."""
        refuse_lost_update(self.request, self.represent(record))
        return json_response(self.represent(change()))

    def removed(self, record: Any, removal: Callable[[], object]) -> HttpResponse:
        """Remove a record, unless the caller knows another state of it, and answer with nothing."""
        refuse_lost_update(self.request, self.represent(record))
        removal()
        return HttpResponse(status=204)


def wait_for_row(record: Model) -> None:
    """Lock a row until the transaction ends.

    Nothing read before or by this holds afterwards: of a statement that waits, PostgreSQL reads only the locked row
    again, not what is joined to it or follows from other tables, such as the caller's right.
    """
    type(record)._default_manager.select_for_update().filter(pk=record.pk).first()
