"""A database of a test's own, beside the run's."""

import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.db import connection


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


def url_of_the_tests() -> str:
    """Return where the tests' own database is: a URL, or SQLite's file."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return name
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
