"""Reads of the model and the version that a URL names. Each is compiled once, as most requests need both."""

from functools import cache

from django.db.models import BigIntegerField, CharField, IntegerField

from models_registry.accounts.scopes import Scope
from models_registry.db.prepared import Parameter, PreparedQuery, columns_of
from models_registry.registry.models import RegisteredModel, Version

_MODEL = Parameter("model", CharField())
_USER = Parameter("user", BigIntegerField())
_NUMBER = Parameter("number", IntegerField())


def find_model(*, model_id: str, scope: Scope, user_id: int) -> RegisteredModel | None:
    """Return a model with `permitted`: whether the user has the scope on it."""
    model: RegisteredModel | None = _model(scope).first_instance(model=model_id, user=user_id)
    return model


def find_version(*, model: RegisteredModel, number: int) -> Version | None:
    """Return a version of a model by its number."""
    version: Version | None = _version().first_instance(model=model.pk, number=number)
    return version


@cache
def _model(scope: Scope) -> PreparedQuery:
    models = RegisteredModel.objects.filter(pk=_MODEL).with_permission(scope, _USER)
    return PreparedQuery(models.values(*columns_of(RegisteredModel), "permitted"))


@cache
def _version() -> PreparedQuery:
    return PreparedQuery(Version.objects.filter(model=_MODEL, number=_NUMBER).values(*columns_of(Version)))
