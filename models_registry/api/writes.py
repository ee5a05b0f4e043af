"""What all writes have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model

from models_registry.api.errors import ConflictError

Record = TypeVar("Record", bound=Model)


@contextmanager
def refusing_duplicates(detail: str) -> Iterator[None]:
    """Turn what a unique constraint refuses into a `ConflictError` with this detail."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise ConflictError(detail) from None


def save_changes(record: Record, **changes: Any) -> Record:
    """Store these values, and no others, of a record."""
    for name, value in changes.items():
        setattr(record, name, value)
    record.save(update_fields=list(changes))
    return record
