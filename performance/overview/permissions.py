"""Which models a person sees in the admin, and what they may do with one: the same as over HTTP."""

from typing import Any

from models_registry.accounts.scopes import Scope
from models_registry.registry.models import RegisteredModel
from models_registry.registry.querysets import RegisteredModelQuerySet


def readable_models(user: Any) -> RegisteredModelQuerySet:
    """Return the models that a user may read: by role, by grant, or as staff who may view all models."""
    models = RegisteredModel.objects.all()
    if user.has_perm("models_registry.view_registeredmodel"):
        return models
    return models.permitting(Scope.MODEL_READ, user.pk)


def has_scope(user: Any, scope: Scope, model: RegisteredModel) -> bool:
    """Return whether a user has a scope on a model, by role or by grant. A superuser has every scope."""
    if user.is_superuser:
        return True
    return RegisteredModel.objects.filter(pk=model.pk).permitting(scope, user.pk).exists()
