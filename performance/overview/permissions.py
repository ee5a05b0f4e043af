"""Which models a person sees in the admin, and what they may do with one: the same as over HTTP."""

from typing import cast

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from models_registry.accounts.model_admin import ScopedAdmin
from models_registry.accounts.models import User
from models_registry.accounts.scopes import Scope
from models_registry.registry.models import RegisteredModel
from models_registry.registry.querysets import RegisteredModelQuerySet


def viewable_models(request: HttpRequest) -> RegisteredModelQuerySet:
    """Return the models that the caller may see on their list."""
    page = cast(ScopedAdmin, admin.site.get_model_admin(RegisteredModel))
    return cast(RegisteredModelQuerySet, page.viewable(request, RegisteredModel.objects.all()))


def has_scope(user: User | AnonymousUser, scope: Scope, model: RegisteredModel) -> bool:
    """Return whether a user has a scope on a model, by role or by grant. A superuser has every scope."""
    if user.is_superuser:
        return True
    return RegisteredModel.objects.filter(pk=model.pk).permitting(scope, user.pk or 0).exists()
