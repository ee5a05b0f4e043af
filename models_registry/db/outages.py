"""Failures of what the service stands on: a database or cache that cannot be reached, or a database without writes."""

import logging
import sqlite3
from contextlib import suppress

import psycopg
from django.db import InterfaceError, OperationalError

outages = logging.getLogger("outages")

RETRY_AFTER_OUTAGE = 2  # seconds
READ_ONLY = (
    "The database takes no writes at present, as after a failover; reads go on. "
    "Try again after the seconds that Retry-After gives."
)

UNMIGRATED = (
    "The database is being migrated, or lacks migrations. Try again after the seconds that Retry-After gives; "
    "if that does not help, an operator runs manage.py migrate."
)

CACHE_ERRORS: tuple[type[Exception], ...] = ()
with suppress(ImportError):  # installed where CACHE_URL is a Redis
    from redis.exceptions import RedisError

    CACHE_ERRORS = (RedisError,)


def is_outage(error: BaseException | None) -> bool:
    """Say whether an error means that database or cache cannot do now what they can do at other times."""
    return (
        isinstance(error, (OperationalError, InterfaceError, *CACHE_ERRORS))
        or is_read_only(error)
        or is_unmigrated(error)
    )


def is_unmigrated(error: BaseException | None) -> bool:
    """Say whether a table or column is missing, as while a release is being migrated. SQLite calls that operational."""
    cause = getattr(error, "__cause__", None)
    return isinstance(cause, (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn))


def is_read_only(error: BaseException | None) -> bool:
    """Say whether the database refused a write because it takes none."""
    cause = getattr(error, "__cause__", None)
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    return isinstance(cause, psycopg.errors.ReadOnlySqlTransaction)


def outage_detail(error: BaseException) -> str:
    """Log an outage, and return what to tell the caller; nothing where the general text fits."""
    outages.error("A request failed for want of database or cache: %s", error)
    if is_unmigrated(error):
        return UNMIGRATED
    return READ_ONLY if is_read_only(error) else ""
