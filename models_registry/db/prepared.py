"""Compile querysets and inserts to SQL once, and run them many times.

Building and compiling a queryset takes the ORM milliseconds on each request. A `PreparedQuery` does it once: write the
queryset as usual, with a `Parameter` for each value that is known later, and run it with the values. `insert` does the
same for a new row: saving one by the ORM takes five times the CPU time of the statement. `insert_many` stores many rows
in a fraction of the time of `bulk_create`.

On PostgreSQL the statement is prepared on the server, and our backend runs it in a fraction of the time of Django's
cursor. Django's cursor runs it wherever it does more: when queries are logged or wrapped, and on SQLite.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, Expression, F, Field, Func, Model, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.db.models.signals import post_save, pre_save
from django.db.models.sql import InsertQuery
from django.db.models.sql.compiler import SQLCompiler
from psycopg.sql import Literal

Row: TypeAlias = dict[str, Any]  # values by name
Convert: TypeAlias = Callable[[object], object]
Values = TypeVar("Values")


class Parameter(Expression):
    """A value that is passed by name whenever a `PreparedQuery` runs."""

    def __init__(self, name: str, output_field: "Field[object, object]") -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """Return a placeholder. Its parameter is this object until the query is compiled."""
        return "%s", (self,)


class Nested(Func):
    """A JSON column as a part of a `JSONObject`, where SQLite would otherwise have its text."""

    function = "JSON"

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Sequence[Any]]:
        """Return the column itself."""
        return compiler.compile(self.get_source_expressions()[0])


def columns_of(model: type[Model]) -> list[str]:
    """Return the names of all columns of a model, for `values()`."""
    return [field.attname for field in model._meta.concrete_fields]


def first_row(rows: QuerySet[Model], **columns: str | Func) -> Subquery:
    """Return some columns of the first row as one JSON column: a subquery for each would look for the row again."""
    return Subquery(rows.annotate(row=JSONObject(**columns)).values("row")[:1])


def as_document(rows: "QuerySet[Any, Row]", json_columns: Collection[str]) -> "QuerySet[Any, Row]":
    """Return a `values()` query with one JSON column, `row`, that holds the other columns by name.

    To read one value takes the driver and Django half the time of many. Numbers, text, booleans and JSON are the same
    in JSON; values of other types are not.
    """
    names = [*rows.query.values_select, *rows.query.annotation_select]
    columns = {name: Nested(name) if name in json_columns else F(name) for name in names}
    documents: QuerySet[Any, Row] = rows.annotate(row=JSONObject(**columns)).values("row")
    return documents


def take_instance(model: type[Model], row: Row, prefix: str = "", *, using: str = DEFAULT_DB_ALIAS) -> Any:
    """Remove a model's columns, under names with a prefix, from a row, and return the instance.

    The result is `None` if an outer join found no row.
    """
    names = columns_of(model)
    values = [row.pop(f"{prefix}{name}") for name in names]
    return None if values[names.index(model._meta.pk.attname)] is None else model.from_db(using, names, values)


class Statement(Generic[Values]):
    """SQL that returns rows: `sql` with the driver's placeholders, and `raw_sql` with PostgreSQL's own."""

    sql: str
    raw_sql: bytes

    def execute(self, values: Values, connection: BaseDatabaseWrapper) -> Sequence[Sequence[Any]]:
        """Run the statement with these values, and return its rows. Raises `django.db.Error`."""
        rows: Sequence[Sequence[Any]]
        if hasattr(connection, "execute_prepared") and not (connection.execute_wrappers or connection.queries_logged):
            rows = connection.execute_prepared(self.raw_sql, self.arrange(values))
        else:
            with connection.cursor() as cursor:
                cursor.execute(self.sql, self.bind(values, connection))
                rows = cursor.fetchall()
        return rows

    def arrange(self, values: Values) -> Any:
        """Return the parameters of `raw_sql`: by default, the values."""
        return values

    def bind(self, values: Values, connection: BaseDatabaseWrapper) -> Any:
        """Return the parameters of `sql`: by default, the values."""
        return values


class PositionalStatement(Statement[Sequence[object]]):
    """SQL with `%s` for each value. The values are in the database's form."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.raw_sql = (sql % tuple(f"${number}" for number in range(1, sql.count("%s") + 1))).encode()


class PreparedQuery:
    """A `values()` queryset with parameters, compiled once for each database."""

    def __init__(self, queryset: QuerySet[Model, object]) -> None:
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
        instance = take_instance(self.model, row, using=using)
        for name, value in row.items():
            setattr(instance, name, value)
        return instance

    def _compile(self, using: str) -> "CompiledStatement":
        query = self.queryset.using(using).query
        compiler = query.get_compiler(using)
        sql, params = compiler.as_sql()
        columns = [*query.values_select, *query.annotation_select]
        converters = compiler.get_converters([column for column, _, _ in compiler.select or ()])
        conversions = {
            columns[position]: _convert_by(functions, expression, connections[using])
            for position, (functions, expression) in converters.items()
        }
        return CompiledStatement(sql, params, columns, conversions)


class CompiledStatement(Statement[Mapping[str, object]]):
    """The SQL of a query for one database, with the conversion of its parameters and of its columns.

    The placeholders are named, so that the driver sends each value only once. What PostgreSQL prepares has the
    constants written out: only the parameters are sent and read each time.
    """

    def __init__(
        self, sql: str, params: Sequence[object], columns: list[str], conversions: Mapping[str, Convert]
    ) -> None:
        self.columns, self.conversions = columns, conversions
        self.fields = {param.name: param.output_field for param in params if isinstance(param, Parameter)}
        constants = {
            (type(param), param): f"constant{i}" for i, param in enumerate(params) if not isinstance(param, Parameter)
        }
        self.constants = {
            name: param.value if isinstance(param, Enum) else param for (_, param), name in constants.items()
        }
        names = [param.name if isinstance(param, Parameter) else constants[type(param), param] for param in params]
        self.sql = sql.replace("%%", "%%%%") % tuple(f"%({name})s" for name in names)
        written = {name: Literal(value).as_string() for name, value in self.constants.items()}
        written |= {name: f"${number}" for number, name in enumerate(self.fields, 1)}
        self.raw_sql = (sql % tuple(written[name] for name in names)).encode()

    def arrange(self, values: Mapping[str, object]) -> Sequence[object]:
        """Return the values in the order of the fields, as the constants are part of `raw_sql`."""
        return [values[name] for name in self.fields]

    def bind(self, values: Mapping[str, object], connection: BaseDatabaseWrapper) -> Row:
        """Return the values in the database's form, and the constants."""
        prepared = {name: field.get_db_prep_value(values[name], connection) for name, field in self.fields.items()}
        return self.constants | prepared

    def as_dict(self, row: Sequence[object]) -> Row:
        """Return a row as the queryset would return it."""
        values = dict(zip(self.columns, row, strict=True))
        for name, convert in self.conversions.items():
            values[name] = convert(values[name])
        return values


def _convert_by(
    functions: list[Callable[..., object]], expression: Expression, connection: BaseDatabaseWrapper
) -> Convert:
    """Return a compiler's conversion of a column as one function of a value."""

    def convert(value: object) -> object:
        for function in functions:
            value = function(value, expression, connection)
        return value

    return convert


def insert(instance: Model, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Store a new row, as `save(force_insert=True)` does. The keys of the rows that it refers to are known.

    Signals are sent, so that the audit trail records the row. Raises `django.db.Error`.
    """
    model = type(instance)
    about: dict[str, Any] = {"sender": model, "instance": instance, "raw": False, "using": using, "update_fields": None}
    pre_save.send(**about)
    connection = connections[using]
    statement, fields = _insert_statement(model, using)
    values = [
        None if (value := field.pre_save(instance, add=True)) is None else field.get_db_prep_save(value, connection)
        for field in fields
    ]  # a quarter of the values are null, which needs no conversion
    ((instance.pk,),) = statement.execute(values, connection)
    instance._state.adding, instance._state.db = False, using
    post_save.send(created=True, **about)


@cache
def _insert_statement(model: type[Model], using: str) -> tuple[PositionalStatement, list["Field[object, object]"]]:
    """Return the statement that stores a row and returns its key, and the fields of its parameters."""
    fields = _given_fields(model)
    query = InsertQuery(model)
    query.insert_values(fields, [model()])
    compiler = query.get_compiler(using)
    compiler.returning_fields = [model._meta.pk]
    ((sql, _),) = compiler.as_sql()
    return PositionalStatement(sql), fields


def insert_many(instances: Sequence[Model], *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Store new rows of one model, as `bulk_create` does. The keys of the rows that they refer to are known.

    PostgreSQL gets the rows as one JSON document: `bulk_create` converts each value by itself, which takes five times
    as long. Use `bulk_create` for rows that may exist already. No signals are sent. Raises `django.db.Error`.
    """
    if not instances:
        return
    model, connection = type(instances[0]), connections[using]
    if connection.vendor != "postgresql":
        model._base_manager.using(using).bulk_create(instances)
        return
    sql, columns = _insert_many_statement(model, using)
    with connection.cursor() as cursor:
        cursor.execute(sql, [_as_json(instances, columns)])
        keys = cursor.fetchall()
    for instance, (key,) in zip(instances, keys, strict=True):
        instance.pk = key
        instance._state.adding, instance._state.db = False, using


def _as_json(instances: Iterable[Model], columns: Mapping[str, str]) -> str:
    """Return an array of rows. A column that a row lacks is null."""
    rows = [
        {column: value for column, name in columns.items() if (value := getattr(each, name)) is not None}
        for each in instances
    ]
    return json.dumps(rows, default=_as_text, allow_nan=False)


def _as_text(value: object) -> str:
    """Return a time or UUID as PostgreSQL reads it. Raises `TypeError` for any other value."""
    if isinstance(value, datetime | UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON.")


@cache
def _insert_many_statement(model: type[Model], using: str) -> tuple[str, dict[str, str]]:
    """Return the SQL that stores a JSON array of rows and returns their keys, and the attributes by column."""
    columns = {str(field.column): field.attname for field in _given_fields(model)}
    quote = connections[using].ops.quote_name
    table, names = quote(model._meta.db_table), ", ".join(map(quote, columns))
    rows = f"SELECT {names} FROM jsonb_populate_recordset(NULL::{table}, %s)"  # noqa: S608  # names of our own
    return f"INSERT INTO {table} ({names}) {rows} RETURNING {quote(str(model._meta.pk.column))}", columns


def _given_fields(model: type[Model]) -> list["Field[object, object]"]:
    return [field for field in model._meta.concrete_fields if not isinstance(field, AutoField)]
