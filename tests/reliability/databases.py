"""A database of a test's own, beside the run's."""

import os
import secrets
from pathlib import Path
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


def url_of_the_tests() -> str:
    """Return where the tests' own database is: a URL, or SQLite's file."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return name
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
