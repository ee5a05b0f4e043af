"""Shared parts of services that write."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model

from models_registry.api.errors import ConflictError
from models_registry.db.prepared import Parameter, PreparedQuery

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


def lock_row(record: Model) -> None:
    """Lock a row until the transaction ends. Read it and what depends on it again afterwards.

    When a statement has waited for a lock, PostgreSQL reads again only the locked row: what is joined to it, such as
    the caller's rights, may have changed meanwhile.
    """
    _lock(type(record)).first(pk=record.pk)


@cache
def _lock(model: type[Model]) -> PreparedQuery:
    rows = model._default_manager.select_for_update().filter(pk=Parameter("pk", model._meta.pk))
    return PreparedQuery(rows.values("pk"))
