"""Locks of models: a write to a model, or to what belongs to it, locks the model's row first.

Writes to one model thus follow each other, and none deadlocks.
"""

from models_registry.api.errors import ConflictError
from models_registry.registry.models import RegisteredModel, Version


def lock_unarchived(model: RegisteredModel) -> RegisteredModel:
    """Lock a model's row until the transaction ends, and return the model in its present state.

    Raises `ConflictError` if the model is archived.
    """
    locked: RegisteredModel = RegisteredModel.objects.select_for_update().get(pk=model.pk)
    refuse_archived(locked)
    return locked


def lock_version(version: Version) -> Version:
    """Lock the row of a version's model until the transaction ends, and return the version in its present state."""
    model: RegisteredModel = RegisteredModel.objects.select_for_update().get(pk=version.model_id)
    current: Version = model.versions.get(pk=version.pk)
    return current


def refuse_archived(model: RegisteredModel) -> None:
    """Raise `ConflictError` if a model is archived."""
    if model.archived_at is not None:
        raise ConflictError(f"{model.pk} is archived: it can be read, and takes no writes.")
