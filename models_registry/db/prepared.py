"""Querysets that are compiled to SQL once and run many times.

Building and compiling a queryset takes the ORM milliseconds, at each request. A `PreparedQuery` pays that once: write
the queryset as usual, with a `Parameter` wherever a value will be given later, and run it with the values. On
PostgreSQL the driver then prepares the statement on the server, as its text never changes.
"""

from collections.abc import Sequence
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
        """Return a placeholder, whose parameter is this object until the query is compiled."""
        return "%s", (self,)


class PreparedQuery:
    """A `values()` queryset with parameters, compiled once for each database."""

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        self.queryset = queryset
        self.compiled = lru_cache(maxsize=None)(self._compile)

    def first(self, *, using: str = DEFAULT_DB_ALIAS, **values: Any) -> dict[str, Any] | None:
        """Run the query with these parameters and return its first row, or `None`.

        Raises `KeyError` when a value is missing.
        """
        return next(iter(self.all(using=using, **values)), None)

    def all(self, *, using: str = DEFAULT_DB_ALIAS, **values: Any) -> list[dict[str, Any]]:
        """Run the query with these parameters and return its rows. Raises `KeyError` when a value is missing."""
        statement = self.compiled(using)
        connection = connections[using]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, statement.bind(values, connection))
            rows = cursor.fetchall()
        return [statement.as_dict(row) for row in rows]

    def _compile(self, using: str) -> "CompiledStatement":
        query = self.queryset.using(using).query
        compiler = query.get_compiler(using)
        sql, params = compiler.as_sql()
        columns = [*query.values_select, *query.annotation_select]
        converters = compiler.get_converters([column for column, _, _ in compiler.select or ()])
        return CompiledStatement(compiler, sql, params, columns, converters)


class CompiledStatement:
    """The SQL of a query for one database, and the way of its parameters in and of its columns out.

    Its placeholders are named, so that the driver sends a value once, however often the query mentions it.
    """

    def __init__(
        self, compiler: SQLCompiler, sql: str, params: Sequence[Any], columns: list[str], converters: Any
    ) -> None:
        self.compiler, self.columns, self.converters = compiler, columns, converters
        self.fields = {param.name: param.output_field for param in params if isinstance(param, Parameter)}
        constants = {
            (type(param), param): f"constant{i}" for i, param in enumerate(params) if not isinstance(param, Parameter)
        }
        self.constants = {name: param for (_, param), name in constants.items()}
        names = [param.name if isinstance(param, Parameter) else constants[type(param), param] for param in params]
        self.sql = sql.replace("%%", "%%%%") % tuple(f"%({name})s" for name in names)

    def bind(self, values: dict[str, Any], connection: Any) -> dict[str, Any]:
        """Return the driver's parameters."""
        prepared = {name: field.get_db_prep_value(values[name], connection) for name, field in self.fields.items()}
        return self.constants | prepared

    def as_dict(self, row: Sequence[Any]) -> dict[str, Any]:
        """Return a row as the queryset would give it."""
        if self.converters:
            (row,) = self.compiler.apply_converters([row], self.converters)
        return dict(zip(self.columns, row, strict=True))
