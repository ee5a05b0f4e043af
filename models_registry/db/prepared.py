"""Compile querysets to SQL once, and run them many times.

Building and compiling a queryset takes the ORM milliseconds on each request. A `PreparedQuery` does it once: write the
queryset as usual, with a `Parameter` for each value that is known later, and run it with the values.

On PostgreSQL the statement is prepared on the server, once for each connection, and executed without a cursor: Django's
and the driver's cursors take several times as long as the execution itself. The cursor runs it wherever it does more
than that: in a transaction, when queries are logged or wrapped, and on SQLite.
"""

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, QuerySet
from django.db.models.sql.compiler import SQLCompiler
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult

DriverConnection: TypeAlias = "psycopg.Connection[Any]"
Row: TypeAlias = dict[str, Any]  # values by name

_statement_numbers = itertools.count()


class Parameter(Expression):
    """A value that is passed by name whenever a `PreparedQuery` runs."""

    def __init__(self, name: str, output_field: "Field[object, object]") -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """Return a placeholder. Its parameter is this object until the query is compiled."""
        return "%s", (self,)


class PreparedQuery:
    """A `values()` queryset with parameters, compiled once for each database."""

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        self.queryset = queryset
        self.compiled = lru_cache(maxsize=None)(self._compile)

    def first(self, *, using: str = DEFAULT_DB_ALIAS, **values: object) -> Row | None:
        """Run the query with these values, and return the first row or `None`.

        Raises `KeyError` if a value is missing.
        """
        return next(iter(self.all(using=using, **values)), None)

    def all(self, *, using: str = DEFAULT_DB_ALIAS, **values: object) -> list[Row]:
        """Run the query with these values, and return the rows. Raises `KeyError` if a value is missing."""
        statement = self.compiled(using)
        connection = connections[using]
        parameters = statement.bind(values, connection)
        return [statement.as_dict(row) for row in statement.execute(parameters, connection)]

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
        self.constants = {name: param for (_, param), name in constants.items()}
        names = [param.name if isinstance(param, Parameter) else constants[type(param), param] for param in params]
        self.sql = sql.replace("%%", "%%%%") % tuple(f"%({name})s" for name in names)
        self.prepared = ServerStatement(sql, names, [*self.constants, *self.fields])

    def execute(self, parameters: Mapping[str, Any], connection: BaseDatabaseWrapper) -> Sequence[Sequence[Any]]:
        """Run the statement and return its rows. Raises `django.db.Error`."""
        needs_cursor = connection.in_atomic_block or connection.execute_wrappers or connection.queries_logged
        if connection.vendor == "postgresql" and not needs_cursor:
            connection.close_if_health_check_failed()
            connection.ensure_connection()
            with connection.wrap_database_errors:
                return self.prepared.execute(parameters, connection.connection)
        with connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
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


class ServerStatement:
    """A statement that PostgreSQL keeps, parsed and planned, for as long as a connection lasts.

    Args:
        sql: the statement, with a `%s` for each placeholder.
        names: the parameter of each placeholder.
        order: the names of all parameters, in the order in which they are sent.
    """

    def __init__(self, sql: str, names: Sequence[str], order: Sequence[str]) -> None:
        self.sql = (sql % tuple(f"${order.index(name) + 1}" for name in names)).encode()
        self.order = order
        self.formats = [PyFormat.AUTO] * len(order)
        # The driver sends a small integer as another type than a large one, and each type needs a statement of its own.
        self.prepared: WeakKeyDictionary[DriverConnection, dict[tuple[int, ...], bytes]] = WeakKeyDictionary()

    def execute(self, parameters: Mapping[str, object], connection: DriverConnection) -> list[tuple[Any, ...]]:
        """Run the statement and return its rows. Raises `psycopg.Error`."""
        adapted = Transformer(connection)
        values: Any = adapted.dump_sequence([parameters[name] for name in self.order], self.formats)  # NULL is None
        name = self._prepare(adapted.types or (), connection)
        result = connection.pgconn.exec_prepared(name, values, adapted.formats, Format.TEXT)
        _check(result, connection)
        adapted.set_pgresult(result)
        return adapted.load_rows(0, result.ntuples, tuple)

    def _prepare(self, types: tuple[int, ...], connection: DriverConnection) -> bytes:
        """Return the name of the statement for parameters of these types, which is prepared if it is new."""
        prepared = self.prepared.setdefault(connection, {})
        if types not in prepared:
            name = b"registry_%d" % next(_statement_numbers)
            _check(connection.pgconn.prepare(name, self.sql, types), connection)
            prepared[types] = name
        return prepared[types]


def _check(result: PGresult, connection: DriverConnection) -> None:
    """Raise the error that a result holds, if any, and `psycopg.OperationalError` if the connection is lost."""
    if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        return
    if connection.pgconn.status == ConnStatus.BAD:
        raise psycopg.OperationalError(f"the connection is lost: {connection.pgconn.get_error_message()}")
    raise psycopg.errors.error_from_result(result, encoding=connection.info.encoding)
