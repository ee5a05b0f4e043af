"""Compile querysets of model instances to SQL once, and run them many times.

`models_registry.db.prepared` does the same for rows of values.
"""

from copy import copy
from functools import lru_cache
from typing import Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from models_registry.db.prepared import CompiledStatement

Instance = TypeVar("Instance", bound=Model)


class PreparedInstances(Generic[Instance]):
    """A queryset of instances with parameters, compiled once for each database."""

    def __init__(self, queryset: QuerySet[Instance, Instance]) -> None:
        self.queryset = queryset
        self.compiled = lru_cache(maxsize=None)(self._compile)

    def first(self, *, using: str = DEFAULT_DB_ALIAS, **values: object) -> Instance | None:
        """Run the query with these values, and return the first instance or `None`.

        Raises `KeyError` if a value is missing.
        """
        compiler, statement = self.compiled(using)
        connection = connections[using]  # of this thread
        bound = statement.sql, statement.bind(values, connection)
        ready = copy(compiler)
        vars(ready).update(connection=connection, as_sql=lambda *args, **kwargs: bound)
        instances = self.queryset.using(using)
        vars(instances.query).update(get_compiler=lambda *args, **kwargs: ready)
        return next(iter(instances), None)

    def _compile(self, using: str) -> tuple[SQLCompiler, CompiledStatement]:
        compiler = self.queryset.using(using).query.get_compiler(using)
        sql, params = compiler.as_sql()
        return compiler, CompiledStatement(compiler, sql, params, [], {})
