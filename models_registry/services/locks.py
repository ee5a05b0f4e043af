"""What the writes have in common: one lock order, one way to say that something is taken, one to save.

Whoever writes to a model locks its row first, so that writes to one model follow each other and none deadlocks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model

from models_registry.exceptions import ConflictError
from models_registry.models import Organization, RegisteredModel

Record = TypeVar("Record", bound=Model)


def lock_unarchived(model: RegisteredModel) -> RegisteredModel:
    """Lock a model's row until the transaction ends, and return it as it is now.

    Raises `ConflictError` when the model is archived.
    """
    locked: RegisteredModel = RegisteredModel.objects.select_for_update().get(pk=model.pk)
    refuse_archived(locked)
    return locked


def lock_organization(organization_id: int) -> None:
    """Lock an organization's row until the transaction ends, so that requests cannot exceed a limit together.

    Lock the model's row first if the transaction locks both.
    """
    Organization.objects.select_for_update(no_key=True).only("pk").get(pk=organization_id)


def refuse_archived(model: RegisteredModel) -> None:
    """Refuse a write to an archived model. Raises `ConflictError`."""
    if model.archived_at is not None:
        raise ConflictError(f"{model.pk} is archived: it can be read, and takes no writes.")


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
