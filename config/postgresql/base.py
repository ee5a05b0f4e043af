"""Django's PostgreSQL backend with connections that notice the end of the server, and its silence."""

from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import execute
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

# The driver's own, which gives an aware datetime as Django's does, in a tenth of the time.
_TIMESTAMPTZ_LOADER: Any = psycopg.adapters.get_loader(psycopg.adapters.types["timestamptz"].oid, Format.TEXT)


class DatabaseWrapper(base.DatabaseWrapper):
    """Keep one connection for each thread, and check it without a query at the beginning of each request.

    Django's own check sends a query, which costs as much as many a statement. A server that closes a connection says so
    on its socket, so checking for incoming data is enough.

    `answer_timeout` among the options limits the seconds that a connection waits for the server. PostgreSQL itself ends
    statements after `statement_timeout`; this is for a server that no longer does anything.
    """

    def get_connection_params(self) -> dict[str, object]:
        """Return the driver's parameters."""
        params: dict[str, object] = super().get_connection_params()
        params.pop("answer_timeout", None)
        return params

    def get_new_connection(self, conn_params: dict[str, object]) -> Any:
        """Return a connection. Raises `psycopg.OperationalError` if the server is unreachable."""
        connection = super().get_new_connection(conn_params)
        self.raw_cursor = psycopg.RawCursor(connection)
        self.raw_cursor.adapters.register_loader("timestamptz", _TIMESTAMPTZ_LOADER)
        self.transformer = Transformer(self.raw_cursor)
        self.prepared_names: dict[bytes, bytes] = {}  # of statements, by their SQL
        self.name_numbers = count()  # no name is used twice: the server may have kept a statement that we forgot
        connection.wait = partial(connection.wait, timeout=self.settings_dict["OPTIONS"].get("answer_timeout"))
        return connection

    def execute_prepared(self, sql: bytes, params: Sequence[object]) -> list[tuple[object, ...]]:
        """Run a statement, which is prepared on the server, and return its rows.

        Its placeholders are PostgreSQL's own, `$1` and `$2`. Outside a transaction it is prepared once for each
        connection, and PostgreSQL infers the types of its parameters; in a transaction, the driver prepares what is run
        often. A new cursor of Django for each statement takes four times the CPU time. Raises `django.db.Error`.
        """
        self.close_if_health_check_failed()
        if self.connection is None:  # Django's own check of it looks for an event loop first
            self.ensure_connection()
        if self.in_atomic_block or not self.autocommit:
            return self._run_in_transaction(sql, params)
        with self.wrap_database_errors:
            try:
                return self._run_prepared(sql, params)
            except psycopg.errors.InvalidSqlStatementName:  # the driver deallocates all statements after a rollback
                self.prepared_names.clear()
                return self._run_prepared(sql, params)

    def _run_in_transaction(self, sql: bytes, params: Sequence[object]) -> list[tuple[object, ...]]:
        """Run a statement by a cursor, which begins the transaction, and knows which statements are prepared.

        In a transaction, a statement that the driver has deallocated can't be tried again.
        """
        self.validate_no_broken_transaction()
        with self.wrap_database_errors:
            return self.raw_cursor.execute(sql, params).fetchall()

    def _run_prepared(self, sql: bytes, params: Sequence[object]) -> list[tuple[object, ...]]:
        name = self.prepared_names.get(sql) or self._prepare(sql)
        values = self.transformer.dump_sequence(params, [PyFormat.TEXT] * len(params))
        self.connection.pgconn.send_query_prepared(name, values)
        result = self._wait_for_result()
        self.transformer.set_pgresult(result)
        return self.transformer.load_rows(0, result.ntuples, tuple)

    def _prepare(self, sql: bytes) -> bytes:
        name = b"registry_%d" % next(self.name_numbers)
        self.connection.pgconn.send_prepare(name, sql)
        self._wait_for_result()
        self.prepared_names[sql] = name
        return name

    def _wait_for_result(self) -> PGresult:
        result: PGresult = self.connection.wait(execute(self.connection.pgconn))[-1]
        if result.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result, encoding=self.connection.info.encoding)
        return result

    def is_usable(self) -> bool:
        """Return whether the server has neither closed the connection nor left a statement unanswered."""
        driver = self.connection.pgconn
        try:
            for _ in range(2):  # the first call may only read the server's last message
                driver.consume_input()
        except psycopg.OperationalError:
            return False
        return driver.transaction_status in (TransactionStatus.IDLE, TransactionStatus.INTRANS)
