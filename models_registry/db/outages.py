"""Recognize outages: an unreachable database or cache, and a database that is read-only or not migrated."""

import logging
import sqlite3
import threading
import time
from contextlib import suppress

import psycopg
from django.db import InterfaceError, OperationalError

log = logging.getLogger(__name__)

RETRY_AFTER_OUTAGE = 2  # seconds
READ_ONLY = (
    "The database takes no writes at present, as after a failover; reads still work. "
    "Try again after the seconds that Retry-After gives."
)

UNMIGRATED = (
    "The database is being migrated, or lacks migrations. Try again after the seconds that Retry-After gives; "
    "if that does not help, an operator runs manage.py migrate."
)

CACHE_ERRORS: tuple[type[Exception], ...] = ()
with suppress(ImportError):  # installed if CACHE_URL is a Redis
    from redis.exceptions import RedisError

    CACHE_ERRORS = (RedisError,)


class OutageLog:
    """Logs an outage in one line, and then at most one line a minute, with the number of those left out."""

    QUIET = 60.0  # seconds

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._left_out = 0

    def error(self, message: str, error: BaseException) -> None:
        """Log an error that an outage caused, unless one was logged within the last minute."""
        with self._lock:
            now = time.monotonic()
            if now < self._quiet_until:
                self._left_out += 1
                return
            left_out, self._left_out, self._quiet_until = self._left_out, 0, now + self.QUIET
        log.error("%s: %s%s", message, error, f" ({left_out} more since the last line)" if left_out else "")


outage_log = OutageLog()


def is_outage(error: BaseException | None) -> bool:
    """Return whether an error means that the database or cache is temporarily unavailable."""
    return (
        isinstance(error, (OperationalError, InterfaceError, *CACHE_ERRORS))
        or is_read_only(error)
        or is_unmigrated(error)
    )


def is_unmigrated(error: BaseException | None) -> bool:
    """Return whether a table or column is missing, as during a release. SQLite reports that as an operational error."""
    cause = getattr(error, "__cause__", None)
    return isinstance(cause, (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn))


def is_read_only(error: BaseException | None) -> bool:
    """Return whether the database refused a write because it is read-only."""
    cause = getattr(error, "__cause__", None)
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    return isinstance(cause, psycopg.errors.ReadOnlySqlTransaction)


def outage_detail(error: BaseException) -> str:
    """Log an outage, and return the detail for the caller; empty if the general text applies."""
    outage_log.error("A request failed because the database or cache is unavailable", error)
    if is_unmigrated(error):
        return UNMIGRATED
    return READ_ONLY if is_read_only(error) else ""
