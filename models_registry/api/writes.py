"""Shared parts of services that write."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model

from models_registry.api.errors import ConflictError

Record = TypeVar("Record", bound=Model)


@contextmanager
def refusing_duplicates(detail: str) -> Iterator[None]:
    """Raise `ConflictError` with this detail if a write inside the block violates a unique constraint."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise ConflictError(detail) from None


def save_changes(record: Record, **changes: object) -> Record:
    """Set these fields of a record and store only them."""
    for name, value in changes.items():
        setattr(record, name, value)
    record.save(update_fields=list(changes))
    return record
