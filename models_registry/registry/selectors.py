"""Reads of the model and the version that a URL names. Each is compiled once, as most requests need both."""

from functools import cache

from django.db.models import BigIntegerField, CharField, FilteredRelation, IntegerField, Q, QuerySet

from models_registry.accounts.scopes import Scope
from models_registry.db.prepared import Parameter, PreparedQuery, columns_of, take_instance
from models_registry.registry.models import RegisteredModel, Version

_MODEL = Parameter("model", CharField())
_USER = Parameter("user", BigIntegerField())
_NUMBER = Parameter("number", IntegerField())
_VERSION = "named__"  # precedes the columns of the version


def find_model(*, model_id: str, scope: Scope, user_id: int, number: int | None = None) -> RegisteredModel | None:
    """Return a model with `permitted`: whether the user has the scope on it.

    With a `number`, the same statement reads the version of this number into `named_version`, which is `None` if there
    is none.
    """
    query = _model(scope) if number is None else _model_and_version(scope)
    row = query.first(model=model_id, user=user_id, number=number)
    if row is None:
        return None
    model: RegisteredModel = take_instance(RegisteredModel, row)
    model.permitted = row.pop("permitted")
    model.named_version = take_instance(Version, row, _VERSION) if row else None
    return model


def _models(scope: Scope) -> QuerySet[RegisteredModel]:
    models: QuerySet[RegisteredModel] = RegisteredModel.objects.filter(pk=_MODEL).with_permission(scope, _USER)
    return models


@cache
def _model(scope: Scope) -> PreparedQuery:
    return PreparedQuery(_models(scope).values(*columns_of(RegisteredModel), "permitted"))


@cache
def _model_and_version(scope: Scope) -> PreparedQuery:
    models = _models(scope).annotate(named=FilteredRelation("versions", condition=Q(versions__number=_NUMBER)))
    of_version = [f"{_VERSION}{name}" for name in columns_of(Version)]
    return PreparedQuery(models.values(*columns_of(RegisteredModel), *of_version, "permitted"))
