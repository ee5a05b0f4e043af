"""Pages of lists by cursor: every page costs the same, and rows that are added meanwhile shift nothing."""

import json
import re
from itertools import accumulate
from typing import Any

from django.core import signing
from django.db.models import JSONField, Model, QuerySet, TextField
from django.db.models.functions import Cast
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from models_registry.api.query import invalid_parameters

MAX_PAGE_SIZE = 200
MAX_PAGE_LENGTH = 500_000  # characters of a page's large columns


class SignedCursorPagination(CursorPagination):
    """Signs each cursor for its list and order, so that only cursors of this service reach the database."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """Return the requested page. Raises `InvalidParameterError`.

        A view lists in `order_parameters` the parameters of the query that change the order besides `ordering`, and its
        large columns in `large_columns`. If these take more than `MAX_PAGE_LENGTH` characters, the page ends early,
        after at least one row. `next` continues from there.
        """
        parameters = [request.query_params.get(name, "") for name in getattr(view, "order_parameters", ())]
        self.salt = "?".join([request.path, ",".join(self.get_ordering(request, queryset, view)), *parameters])
        columns = getattr(view, "large_columns", ())
        if not columns:
            return super().paginate_queryset(queryset, request, view)
        documents = [name for name in columns if isinstance(queryset.model._meta.get_field(name), JSONField)]
        page: list[Model] = super().paginate_queryset(_with_texts(queryset, documents), request, view) or []
        self.page = self._shorten(page, documents, [name for name in columns if name not in documents])
        for row in self.page:
            for name in documents:
                text = getattr(row, _text_of(name))
                setattr(row, name, None if text is None else json.loads(text))
        return self.page

    def _shorten(self, page: list[Model], documents: list[str], texts: list[str]) -> list[Model]:
        """Return the page without the last rows in the cursor's direction, if they make it too long."""
        is_reverse = self.cursor is not None and self.cursor.reverse
        rows = page[::-1] if is_reverse else page
        names = [*map(_text_of, documents), *texts]
        lengths = accumulate(sum(len(getattr(row, name) or "") for name in names) for row in rows)
        fitting = max(1, sum(length <= MAX_PAGE_LENGTH for length in lengths))
        if fitting >= len(rows):
            return page
        following = self._get_position_from_instance(rows[fitting], self.ordering)
        self.page_size = fitting
        if is_reverse:
            self.has_previous, self.previous_position = True, following
            return rows[:fitting][::-1]
        self.has_next, self.next_position = True, following
        return rows[:fitting]

    def get_page_size(self, request: Request) -> int:
        """Return the number of rows of a page. Raises `InvalidParameterError`."""
        given = request.query_params.get("page_size", str(self.page_size))
        if not re.fullmatch("[0-9]{1,3}", given) or not 1 <= int(given) <= MAX_PAGE_SIZE:
            raise invalid_parameters([("page_size", "invalid", f"Must be a number from 1 to {MAX_PAGE_SIZE}.")])
        return int(given)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return the cursor at which the page begins. Raises `InvalidParameterError`."""
        given = request.query_params.get("cursor")
        if given is None:
            return None
        try:
            return Cursor(*signing.Signer(salt=self.salt).unsign_object(given))
        except signing.BadSignature:
            error = ("cursor", "invalid", "Not a cursor of this list in this order. Begin again without it.")
            raise invalid_parameters([error]) from None

    def encode_cursor(self, cursor: Cursor) -> str:
        """Return the URL of the page that begins at a cursor."""
        return replace_query_param(str(self.base_url), "cursor", self._signed(cursor))

    def get_paginated_response_schema(self, schema: dict[str, object]) -> dict[str, object]:
        """Return the schema of a page, without the library's example of a URL, which is not of this service."""
        page = super().get_paginated_response_schema(schema)
        for link in ("next", "previous"):
            page["properties"][link].pop("example")
        return page

    def _signed(self, cursor: Cursor) -> str:
        """Return a signed cursor. It has no timestamp, so that an unchanged page keeps its ETag."""
        return signing.Signer(salt=self.salt).sign_object(tuple(cursor))

    def get_ordering(self, request: Request, queryset: QuerySet[Model], view: Any) -> tuple[str, ...]:
        """Return the requested order if the view has `ordering_fields`, otherwise the view's own."""
        return tuple(super().get_ordering(request, queryset, view) if view.ordering_fields else view.ordering)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, object]]:
        """Return the parameters for the OpenAPI document."""
        size = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": self.page_size}
        return [
            _parameter("cursor", {"type": "string"}, "Where the page begins: from `next` or `previous` of another."),
            _parameter("page_size", size, "How many rows a page has at most; one of large rows has fewer."),
        ]


def _with_texts(queryset: QuerySet[Model], documents: list[str]) -> Any:
    """Read JSON columns as text, so that only the values on the page are parsed."""
    return queryset.defer(*documents).annotate(**{_text_of(name): Cast(name, TextField()) for name in documents})


def _text_of(name: str) -> str:
    return f"{name}_text"


def _parameter(name: str, schema: dict[str, object], description: str) -> dict[str, object]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
