"""Filters and orders of lists, which refuse what they do not know."""

from typing import Any

from django.db.models import Model, QuerySet
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request
from rest_framework.views import APIView

from models_registry.api.field_errors import FieldError
from models_registry.api.query import invalid_parameters
from models_registry.api.writes import Record

MAX_SEARCH = 200


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]  # the library is untyped
    """Filters a list. Refuses a value that the filter does not accept."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Record], view: APIView) -> QuerySet[Record]:
        """Return the rows that match. Raises `InvalidParameterError`."""
        filterset = self.get_filterset(request, queryset, view)
        if filterset is None:
            return queryset
        if found := _find_errors(request, filterset):
            raise invalid_parameters(found)
        rows: QuerySet[Record] = filterset.qs
        return rows


def _find_errors(request: Request, filterset: FilterSet) -> list[FieldError]:
    """Return the errors of the filters' values. An empty value is one; the library would ignore it."""
    empty = [
        (name, "blank", "Must not be empty.")
        for name in filterset.filters
        if not request.query_params.get(name, "something").strip()
    ]
    errors = filterset.form.errors.get_json_data()
    return empty + [(name, each["code"], each["message"]) for name, found in errors.items() for each in found]


class StrictOrdering(OrderingFilter):
    """Orders by one of the view's `ordering_fields`, descending after a hyphen. Refuses any other."""

    def get_ordering(self, request: Request, queryset: QuerySet[Model], view: Any) -> list[str]:
        """Return the order. Raises `InvalidParameterError`."""
        given = request.query_params.get("ordering", view.ordering[0])
        allowed = self.choices(view)
        if given not in allowed:
            raise invalid_parameters([("ordering", "invalid_choice", f"Must be one of {', '.join(allowed)}.")])
        return [given, "-pk" if given.startswith("-") else "pk"]

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, object]]:
        """Return the parameter for the OpenAPI document."""
        schema = {"type": "string", "enum": self.choices(view), "default": view.ordering[0]}
        return [
            {"name": "ordering", "in": "query", "required": False, "schema": schema, "description": "The rows' order."}
        ]

    @staticmethod
    def choices(view: Any) -> list[str]:
        """Return the orders that the view allows."""
        return [f"{sign}{name}" for name in view.ordering_fields for sign in ("", "-")]
