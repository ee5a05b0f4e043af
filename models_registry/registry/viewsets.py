"""Viewsets of what belongs to a model that the URL names."""

from typing import Any

from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.api.viewsets import wait_for_row
from models_registry.registry import ids
from models_registry.registry.errors import ModelNotFoundError, VersionNotFoundError
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.querysets import RegisteredModelQuerySet


class RegistryViewSet(OrganizationScopedViewSet):
    """Records of a model, or of one of its versions. The caller needs the action's scope on the model."""

    models: RegisteredModelQuerySet = RegisteredModel.objects.all()  # among which the URL names one

    def find_target(self) -> Any:
        """Return the version, the model or the organization that the URL names."""
        if "version_id" in self.kwargs:
            return self.get_version()
        return self.get_model() if "model_id" in self.kwargs else super().find_target()

    def get_model(self, *, lock: bool = False) -> RegisteredModel:
        """Return the model that the URL names, if the caller has the action's scope on it.

        Raises `ModelNotFoundError` or `PermissionDenied`.
        """
        model = self._model()
        if lock:
            wait_for_row(model)
            model = self._model()
        return model

    def _model(self) -> RegisteredModel:
        model_id = self.kwargs["model_id"]
        models = self.models.with_permission(self.scope, self.account.pk)
        model: RegisteredModel | None = models.filter(pk=model_id).first() if ids.is_model_id(model_id) else None
        if model is None:
            raise ModelNotFoundError(f"There is no model {model_id[:40]!r}. Check the id.")
        self.check_object_permissions(self.request, model)
        return model

    def get_version(self, *, lock: bool = False) -> Version:
        """Return the version that the URL names. Raises what `get_model` does, and `VersionNotFoundError`."""
        model = self.get_model(lock=lock)
        version_id = self.kwargs["version_id"]
        number = ids.version_number(version_id) if ids.is_version_id(version_id) else 0
        version: Version | None = model.versions.select_related("created_by").filter(number=number).first()
        if version is None:
            raise VersionNotFoundError(f"{model.pk} has no version {version_id[:40]}. Its versions are listed.")
        version.model = model
        return version
