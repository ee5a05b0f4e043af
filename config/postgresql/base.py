"""Django's PostgreSQL backend with a check of pooled connections that needs no query."""

from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Use only pooled connections that the server has not closed.

    The pool's own check sends an empty query each time, which costs as much as many a statement. A server that closes a
    connection says so on its socket, so checking for incoming data is enough.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a live connection. Raises `psycopg.OperationalError` if the server is unreachable."""
        connection = super().get_new_connection(conn_params)
        while self.pool and _is_closed(connection):
            connection.close()
            self.pool.putconn(connection)  # the pool replaces it
            connection = super().get_new_connection(conn_params)
        return connection


def _is_closed(connection: Any) -> bool:
    try:
        for _ in range(2):  # the first call may only read the server's last message
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return False
