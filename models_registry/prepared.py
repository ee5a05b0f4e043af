"""Querysets that are compiled to SQL once and run many times.

Building and compiling a queryset takes the ORM milliseconds, at each request. A `PreparedQuery` pays that once: write
the queryset as usual, with a `Parameter` wherever a value will be given later, and run it with the values. On
PostgreSQL the driver then prepares the statement on the server, as its text never changes.
"""

from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Expression, Field, QuerySet
from django.db.models.sql.compiler import SQLCompiler


class Parameter(Expression):
    """A value that is given by name each time a `PreparedQuery` runs."""

    def __init__(self, name: str, output_field: "Field[Any, Any]") -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Return a placeholder, whose parameter is this object until the query runs."""
        return "%s", (self,)

    def bind(self, values: dict[str, Any], connection: Any) -> Any:
        """Return the value for the driver. Raises `KeyError` when it was not given."""
        return self.output_field.get_db_prep_value(values[self.name], connection)


class PreparedQuery:
    """A `values()` queryset with parameters, compiled once for each database."""

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        self.queryset = queryset
        self.compiled = lru_cache(maxsize=None)(self._compile)

    def first(self, *, using: str = DEFAULT_DB_ALIAS, **values: Any) -> dict[str, Any] | None:
        """Run the query with these parameters and return its first row, or `None`."""
        connection = connections[using]
        compiler, sql, params, names, converters = self.compiled(using)
        bound = [param.bind(values, connection) if isinstance(param, Parameter) else param for param in params]
        with connection.cursor() as cursor:
            cursor.execute(sql, bound)
            row = cursor.fetchone()
        if row is None:
            return None
        if converters:
            (row,) = compiler.apply_converters([row], converters)
        return dict(zip(names, row, strict=True))

    def _compile(self, using: str) -> tuple[SQLCompiler, str, tuple[Any, ...], list[str], Any]:
        query = self.queryset.using(using).query
        compiler = query.get_compiler(using)
        sql, params = compiler.as_sql()
        names = [*query.values_select, *query.annotation_select]
        converters = compiler.get_converters([column for column, _, _ in compiler.select or ()])
        return compiler, sql, tuple(params), names, converters
