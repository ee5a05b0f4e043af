"""Read the URLs of databases and caches."""

import sys
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

import environ
from django.core.cache import CacheHandler, InvalidCacheBackendError
from django.core.cache.backends.redis import RedisCache
from django.core.exceptions import ImproperlyConfigured

from config.env.readers import read
from models_registry.db.secret_files import can_be_created, restrict_database_to_owner

DATABASE_SCHEMES = ("postgres", "postgresql", "sqlite")
CONNECTION_LIFETIME = 3600  # seconds for which a thread keeps a connection to PostgreSQL
LOCAL_MEMORY = "django.core.cache.backends.locmem.LocMemCache"


class ParsedURL(TypedDict, total=False):
    """Settings that django-environ reads from a URL."""

    NAME: str
    BACKEND: str
    OPTIONS: dict[str, object]


def database(name: str, url: str) -> dict[str, object]:
    """Return Django's settings for the database at `url`: PostgreSQL, or SQLite in WAL mode."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:  # an unclosed bracket
        scheme = ""
    if scheme not in DATABASE_SCHEMES:
        raise ImproperlyConfigured(
            f"{name} has the scheme {scheme!r}; set it to postgresql://user:password@host:5432/name "
            "or sqlite:////absolute/path.sqlite3"
        )
    try:
        parsed: ParsedURL = environ.Env.db_url_config(url)
    except (ValueError, environ.ImproperlyConfigured):
        parsed = {}
    if not parsed.get("NAME"):
        raise ImproperlyConfigured(
            f"{name} names no database; set it to a URL such as postgresql://user:password@host:5432/name"
        )
    return _sqlite(name, parsed) if scheme == "sqlite" else _postgresql(parsed)


def _sqlite(name: str, parsed: ParsedURL) -> dict[str, object]:
    if parsed["NAME"] != ":memory:":
        file = Path(parsed["NAME"])
        try:
            is_possible = can_be_created(file)
        except (OSError, ValueError):
            is_possible = False
        if not is_possible:
            raise ImproperlyConfigured(
                f"{name} names a file that does not exist and cannot be created; set it to sqlite:////absolute/path.sqlite3"
            )
        restrict_database_to_owner(file)
    options = {
        "transaction_mode": "IMMEDIATE",  # take the write lock first, so that writers wait instead of failing
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    return {**parsed, "ENGINE": "config.sqlite3", "OPTIONS": options}


def _postgresql(parsed: ParsedURL) -> dict[str, object]:
    timeouts = "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000"
    answer_timeout: int | None = 7  # seconds; reached only if PostgreSQL cannot even end a statement
    if {"migrate", "demo"} & set(sys.argv[1:2]):  # may rewrite a large table, but must not wait long for a lock
        timeouts, answer_timeout = "-c lock_timeout=10000", None
    options = {
        **parsed.get("OPTIONS", {}),
        "answer_timeout": answer_timeout,
        "connect_timeout": 3,
        "server_side_binding": True,  # otherwise psycopg prepares no statements
        "prepare_threshold": 5,
        "options": timeouts,
    }
    kept = {"CONN_MAX_AGE": CONNECTION_LIFETIME, "CONN_HEALTH_CHECKS": True}
    return {**parsed, "ENGINE": "config.postgresql", **kept, "OPTIONS": options}


def cache(name: str, *, default: str) -> dict[str, object]:
    """Return Django's settings for the cache at the URL in the variable. Its package must be installed."""
    try:
        parsed: ParsedURL = environ.Env.cache_url_config(read(name, default=default))
        if parsed["BACKEND"] == LOCAL_MEMORY:  # the default of 300 is too small to count requests by caller
            parsed["OPTIONS"] = {"MAX_ENTRIES": 100_000, **parsed.get("OPTIONS", {})}
        _import_cache(parsed)
    except (KeyError, ValueError, environ.ImproperlyConfigured):
        raise ImproperlyConfigured(f"{name} names no known cache; set it to {default} or redis://host:6379/0") from None
    except (ImportError, InvalidCacheBackendError) as error:
        raise ImproperlyConfigured(
            f"{name} names a cache whose package is not installed ({error}); set it to {default}, "
            "or to redis://host:6379/0 with the package redis installed"
        ) from None
    return {**parsed}


def _import_cache(parsed: ParsedURL) -> None:
    """Import the cache's backend without connecting. Otherwise a missing package would fail the first request."""
    backend = CacheHandler({"default": parsed})["default"]
    if isinstance(backend, RedisCache):
        backend._cache.get_client()
