"""A database of a test's own, beside the run's."""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
import psycopg
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, connections


def new_database(folder: Path) -> str:
    """Return the URL of a new, empty database: on the run's PostgreSQL, or in `folder` where the run has SQLite."""
    name = f"own_{secrets.token_hex(4)}"
    if connection.vendor == "sqlite":
        return f"sqlite:///{folder}/{name}.sqlite3"
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name}")
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def execute(url: str, statement: str) -> list[Any]:
    """Return the rows of a statement, of which a change has none."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connected, connected:
            return connected.execute(statement).fetchall()
    with psycopg.connect(url) as connected_to_server:
        found = connected_to_server.execute(statement)
        return found.fetchall() if found.description else []


@contextmanager
def connected_to(url: str) -> Iterator[None]:
    """Have the ORM and the commands of this thread reach another database while the context lasts.

    A command in a process of its own takes two seconds to start.
    """
    own = connections["default"]
    parsed: Any = environ.Env.db_url_config(url)
    kept = {"ENGINE": own.settings_dict["ENGINE"], "OPTIONS": own.settings_dict["OPTIONS"] | parsed.get("OPTIONS", {})}
    connections["default"] = type(own)({**own.settings_dict, **parsed, **kept})
    ContentType.objects.clear_cache()
    try:
        yield
    finally:
        connections["default"].close()
        connections["default"] = own
        ContentType.objects.clear_cache()


def printed(command: str, *arguments: str) -> str:
    """Return what a management command prints, in this process."""
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def url_of_the_tests() -> str:
    """Return where the tests' own database is: a URL, or SQLite's file."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return name
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
