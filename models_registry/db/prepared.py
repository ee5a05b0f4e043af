"""Compile querysets to SQL once, and run them many times.

Building and compiling a queryset takes the ORM milliseconds on each request. A `PreparedQuery` does it once: write the
queryset as usual, with a `Parameter` for each value that is known later, and run it with the values.

On PostgreSQL the statement is prepared on the server, and our backend runs it in half the time of Django's cursor.
Django's cursor runs it wherever it does more: in a transaction, when queries are logged or wrapped, and on SQLite.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, TypeAlias

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, Model, QuerySet, Subquery
from django.db.models.functions import Cast, JSONObject
from django.db.models.sql.compiler import SQLCompiler

Row: TypeAlias = dict[str, Any]  # values by name


class Parameter(Expression):
    """A value that is passed by name whenever a `PreparedQuery` runs."""

    def __init__(self, name: str, output_field: "Field[object, object]") -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """Return a placeholder. Its parameter is this object until the query is compiled."""
        return "%s", (self,)


def columns_of(model: type[Model]) -> list[str]:
    """Return the names of all columns of a model, for `values()`."""
    return [field.attname for field in model._meta.concrete_fields]


def first_row(rows: QuerySet[Any], **columns: str | Cast) -> Subquery:
    """Return some columns of the first row as one JSON column: a subquery for each would look for the row again."""
    return Subquery(rows.annotate(row=JSONObject(**columns)).values("row")[:1])


class PreparedQuery:
    """A `values()` queryset with parameters, compiled once for each database."""

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        self.queryset, self.model = queryset, queryset.model
        self.compiled = lru_cache(maxsize=None)(self._compile)

    def first(self, *, using: str = DEFAULT_DB_ALIAS, **values: object) -> Row | None:
        """Run the query with these values, and return the first row or `None`.

        Raises `KeyError` if a value is missing.
        """
        return next(iter(self.all(using=using, **values)), None)

    def all(self, *, using: str = DEFAULT_DB_ALIAS, **values: object) -> list[Row]:
        """Run the query with these values, and return the rows. Raises `KeyError` if a value is missing."""
        statement = self.compiled(using)
        return [statement.as_dict(row) for row in statement.execute(values, connections[using])]

    def first_instance(self, *, using: str = DEFAULT_DB_ALIAS, **values: object) -> Any:
        """Run the query, whose rows begin with `columns_of` its model, and return the first row as an instance.

        What follows these columns is set as attributes. The result is `None` without a row.
        """
        row = self.first(using=using, **values)
        if row is None:
            return None
        names = columns_of(self.model)
        instance = self.model.from_db(using, names, [row.pop(name) for name in names])
        for name, value in row.items():
            setattr(instance, name, value)
        return instance

    def _compile(self, using: str) -> "CompiledStatement":
        query = self.queryset.using(using).query
        compiler = query.get_compiler(using)
        sql, params = compiler.as_sql()
        columns = [*query.values_select, *query.annotation_select]
        converters = compiler.get_converters([column for column, _, _ in compiler.select or ()])
        return CompiledStatement(compiler, sql, params, columns, converters)


class CompiledStatement:
    """The SQL of a query for one database, with the conversion of its parameters and of its columns.

    The placeholders are named, so that the driver sends each value only once.
    """

    def __init__(
        self, compiler: SQLCompiler, sql: str, params: Sequence[object], columns: list[str], converters: Any
    ) -> None:
        self.compiler, self.columns, self.converters = compiler, columns, converters
        self.fields = {param.name: param.output_field for param in params if isinstance(param, Parameter)}
        constants = {
            (type(param), param): f"constant{i}" for i, param in enumerate(params) if not isinstance(param, Parameter)
        }
        self.constants = {
            name: param.value if isinstance(param, Enum) else param for (_, param), name in constants.items()
        }
        names = [param.name if isinstance(param, Parameter) else constants[type(param), param] for param in params]
        self.sql = sql.replace("%%", "%%%%") % tuple(f"%({name})s" for name in names)
        order = [*self.constants, *self.fields]
        self.raw_sql = (sql % tuple(f"${order.index(name) + 1}" for name in names)).encode()

    def execute(self, values: Mapping[str, object], connection: BaseDatabaseWrapper) -> Sequence[Sequence[Any]]:
        """Run the statement with these values, and return its rows. Raises `django.db.Error`."""
        execute_prepared = getattr(connection, "execute_prepared", None)
        needs_cursor = connection.in_atomic_block or connection.execute_wrappers or connection.queries_logged
        if execute_prepared and not needs_cursor:
            params = [*self.constants.values(), *[values[name] for name in self.fields]]
            prepared: Sequence[Sequence[Any]] = execute_prepared(self.raw_sql, params)
            return prepared
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self.bind(values, connection))
            rows: Sequence[Sequence[Any]] = cursor.fetchall()
        return rows

    def bind(self, values: Mapping[str, object], connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """Return the parameters for the driver."""
        prepared = {name: field.get_db_prep_value(values[name], connection) for name, field in self.fields.items()}
        return self.constants | prepared

    def as_dict(self, row: Sequence[object]) -> Row:
        """Return a row as the queryset would return it."""
        if self.converters:
            (row,) = self.compiler.apply_converters([row], self.converters)
        return dict(zip(self.columns, row, strict=True))
