"""Lookups of the records that a URL or a body names."""

import re
from typing import TypeVar

from django.db.models import Model, QuerySet

from models_registry.api.errors import APIError, InvalidBodyError

Record = TypeVar("Record", bound=Model)


def get_or_404(queryset: QuerySet[Record], error: APIError, **lookup: object) -> Record:
    """Return the record that a URL names. Raises `error` if there is none."""
    record = queryset.filter(**lookup).first()
    if record is None:
        raise error
    return record


def parse_row_id(text: str) -> int:
    """Return the primary key that an id in a URL stands for. Text that is not an id gives 0, which no row has."""
    return int(text) if re.fullmatch("[1-9][0-9]{0,17}", text) else 0


def missing_reference(field: str, detail: str) -> InvalidBodyError:
    """Return the error of a body whose `field` names a record that does not exist."""
    return InvalidBodyError("The body is not valid; `errors` says what and why.", [(field, "does_not_exist", detail)])
