"""Find the model and the version that a command's arguments name."""

from models_registry.registry import ids
from models_registry.registry.errors import ModelNotFoundError, VersionNotFoundError
from models_registry.registry.models import RegisteredModel, Version


def find_model(model_id: str) -> RegisteredModel:
    """Return a model. Raises `ModelNotFoundError`."""
    model: RegisteredModel | None = (
        RegisteredModel.objects.filter(pk=model_id).first() if ids.is_model_id(model_id) else None
    )
    if model is None:
        raise ModelNotFoundError(f"There is no model {model_id}.")
    return model


def find_version(model: RegisteredModel, version_id: str) -> Version:
    """Return a version of a model. Raises `VersionNotFoundError`."""
    number = ids.version_number(version_id) if ids.is_version_id(version_id) else 0
    version: Version | None = model.versions.filter(number=number).first()
    if version is None:
        raise VersionNotFoundError(f"{model.pk} has no version {version_id}.")
    version.model = model
    return version
