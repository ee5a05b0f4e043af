"""What the writes have in common: one lock order, one way to say that something is taken, one to save.

Whoever writes to a model locks its row first, so that writes to one model follow each other and none deadlocks.
"""

from models_registry.api.errors import ConflictError
from models_registry.registry.models import RegisteredModel


def lock_unarchived(model: RegisteredModel) -> RegisteredModel:
    """Lock a model's row until the transaction ends, and return it as it is now.

    Raises `ConflictError` when the model is archived.
    """
    locked: RegisteredModel = RegisteredModel.objects.select_for_update().get(pk=model.pk)
    refuse_archived(locked)
    return locked


def refuse_archived(model: RegisteredModel) -> None:
    """Refuse a write to an archived model. Raises `ConflictError`."""
    if model.archived_at is not None:
        raise ConflictError(f"{model.pk} is archived: it can be read, and takes no writes.")
