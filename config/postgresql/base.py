"""Django's PostgreSQL backend, with a check of pooled connections that asks nothing of the server."""

from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes connections from the pool that the server has not ended.

    The pool's own check sends an empty query at each take, which costs as much as many a statement. A server that ends
    a connection says so on its socket: looking whether anything has come is enough, and needs no answer.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a live connection. Raises `psycopg.OperationalError` when the server cannot be reached."""
        connection = super().get_new_connection(conn_params)
        while self.pool and _has_ended(connection):
            connection.close()
            self.pool.putconn(connection)  # which makes another in its place
            connection = super().get_new_connection(conn_params)
        return connection


def _has_ended(connection: Any) -> bool:
    try:
        for _ in range(2):  # the first may only read the server's farewell
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return False
