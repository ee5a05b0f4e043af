"""What the registry's views have in common: who calls, what of, and how a write is done."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from types import SimpleNamespace
from typing import Any, ClassVar

from django.db import transaction
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from models_registry import ids, selectors
from models_registry.acting import acting
from models_registry.api.conditional import answer, refuse_lost_update, represent
from models_registry.api.filters import StrictFilterBackend
from models_registry.api.idempotency import check_key, once, replayed
from models_registry.api.pagination import SignedCursorPagination
from models_registry.api.permissions import HasScope
from models_registry.api.query import invalid_parameters, refuse_unknown
from models_registry.exceptions import ModelNotFoundError, NotFoundError, VersionNotFoundError
from models_registry.models import Organization, RegisteredModel, User, Version
from models_registry.querysets import RegisteredModelQuerySet
from models_registry.scopes import Scope
from models_registry.tokens import Caller

_slug = re.compile(r"[-\w]{1,63}", re.ASCII)
_ANYTHING = SimpleNamespace(permitted=True)


class RegistryViewSet(GenericViewSet[Any]):
    """Reads and writes of the registry.

    The checks come in the contract's order: 401, 400 of the query, 404 and 403 of what the URL names, then the body.
    A subclass declares in `scopes` which scope each of its actions needs, and in `inputs` what each takes as its body.
    """

    permission_classes = (HasScope,)
    pagination_class = SignedCursorPagination
    filter_backends: tuple[type[BaseFilterBackend], ...] = (StrictFilterBackend,)
    filterset_class: type[Any] | None = None
    models: RegisteredModelQuerySet = RegisteredModel.objects.all()  # among which the URL names one
    large_columns: tuple[str, ...] = ()  # which may make a page of a list long, and so end it early
    ordering: tuple[str, ...] = ()
    ordering_fields: tuple[str, ...] = ()
    scopes: ClassVar[dict[str, Scope]] = {}
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
        self.account: User = selectors.account_of(self.caller)
        if self.action != "list":
            refuse_unknown(request, ())
        check_key(request)
        self.body: dict[str, Any] = {}
        if self.action in self.inputs:
            self.target = self.find_target()
            self.body = self._read_body()

    @property
    def caller(self) -> Caller:
        """What the token says of the caller."""
        caller: Caller = self.request.user  # type: ignore[assignment]  # BearerAuthentication's
        return caller

    @property
    def scope(self) -> Scope:
        """The scope that the action needs."""
        return self.scopes[self.action]

    @property
    def everywhere(self) -> bool:
        """Whether the caller needs no role and no grant."""
        return self.account.is_superuser

    def find_target(self) -> Any:
        """Return what the URL names, for an action that takes a body.

        Raises what `get_version`, `get_model` or `get_organization` does. It is called before the body is read.
        """
        if "version_id" in self.kwargs:
            return self.get_version()
        return self.get_model() if "model_id" in self.kwargs else self.get_organization()

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

    # What is asked for

    def get_organization(self, *, lock: bool = False) -> Organization:
        """Return the organization that the URL names. Raises `NotFoundError` or `PermissionDenied`."""
        organization = self._organization()
        if lock:
            _wait_for(organization)
            organization = self._organization()
        return organization

    def _organization(self) -> Organization:
        slug = self.kwargs["slug"]
        organizations = Organization.objects.with_permission(self.scope, self.account.pk)
        organization: Organization | None = organizations.filter(slug=slug).first() if _slug.fullmatch(slug) else None
        if organization is None:
            raise NotFoundError(f"There is no organization {slug[:40]!r}. Check the slug.")
        self.check_object_permissions(self.request, organization)
        return organization

    def get_model(self, *, lock: bool = False) -> RegisteredModel:
        """Return the model that the URL names, if the caller has the action's scope on it.

        Raises `ModelNotFoundError` or `PermissionDenied`.
        """
        model = self._model()
        if lock:
            _wait_for(model)
            model = self._model()
        return model

    def _model(self) -> RegisteredModel:
        model_id = self.kwargs["model_id"]
        models = self.models.with_permission(self.scope, self.account.pk)
        model: RegisteredModel | None = models.filter(pk=model_id).first() if ids.is_model_id(model_id) else None
        if model is None:
            raise ModelNotFoundError(f"There is no model {model_id[:40]!r}. Check the id.")
        self.check_object_permissions(self.request, model)
        return model

    def get_version(self, *, lock: bool = False) -> Version:
        """Return the version that the URL names. Raises what `get_model` does, and `VersionNotFoundError`."""
        model = self.get_model(lock=lock)
        version_id = self.kwargs["version_id"]
        number = ids.version_number(version_id) if ids.is_version_id(version_id) else 0
        version: Version | None = model.versions.select_related("created_by").filter(number=number).first()
        if version is None:
            raise VersionNotFoundError(f"{model.pk} has no version {version_id[:40]}. Its versions are listed.")
        version.model = model
        return version

    def refuse_narrowed(self) -> None:
        """Refuse a token that was narrowed to other scopes. Raises `PermissionDenied`."""
        self.check_object_permissions(self.request, _ANYTHING)

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
        return answer(self.request, self.represent(record))

    def page(self, rows: Callable[[], Any]) -> HttpResponse:
        """Answer with a page of the rows, which are asked for when the query has been found good."""
        self._refuse_bad_query()
        page = self.paginate_queryset(self.filter_queryset(rows()))
        return answer(self.request, self.get_paginated_response([self.represent(row) for row in page or ()]).data)

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
        """Do what is done inside in one transaction, in the caller's name."""
        with acting(self.account), transaction.atomic():
            yield

    def once(self, work: Callable[[], HttpResponse], **options: Any) -> HttpResponse:
        """Answer with what `work` does, or did when the request was made before under the same key."""
        with self.writing():
            return once(self.request, self.account.pk, self.fingerprint, work, **options)

    def replayed(self) -> HttpResponse | None:
        """Return the answer that `once` would repeat; `None` if the request is new."""
        return replayed(self.request, self.account.pk, self.fingerprint)

    def changed(self, record: Any, change: Callable[[], Any]) -> HttpResponse:
        """Change a record, unless the caller knows another state of it, and answer with what became of it."""
        refuse_lost_update(self.request, self.represent(record))
        return represent(self.represent(change()))

    def removed(self, record: Any, removal: Callable[[], object]) -> HttpResponse:
        """Remove a record, unless the caller knows another state of it, and answer with nothing."""
        refuse_lost_update(self.request, self.represent(record))
        removal()
        return HttpResponse(status=204)


def _wait_for(record: Organization | RegisteredModel) -> None:
    """Lock a row until the transaction ends.

    Nothing read before or by this holds afterwards: of a statement that waits, PostgreSQL reads only the locked row
    again, not what is joined to it or follows from other tables, such as the caller's right.
    """
    type(record).objects.select_for_update().filter(pk=record.pk).first()
