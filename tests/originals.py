"""Databases that a run of the tests makes once and copies, as `migrate` and `seed` take seconds each time."""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.serving import manage, new_keys

SHARED_FOLDER = "TESTS_SHARED_FOLDER"  # the variable that names the folder which the processes of a run share
PASSWORD = "secret"  # noqa: S105  # of each role that a test makes


def migrate(database: str) -> None:
    """Make a new database one that is migrated."""
    copy(migrated(database), database)


def migrated(database: str) -> str:
    """Return the URL of the original without rows, of the same kind as a database."""
    return original("migrated", database, lambda url: manage("migrate", DATABASE_URL=_of_owner(url), **new_keys()))


def original(name: str, database: str, fill: Callable[[str], object]) -> str:
    """Return the URL of an original of the same kind as a database. The first process to ask fills it."""
    is_sqlite = database.startswith("sqlite")

    def make() -> str:
        url = f"sqlite:///{shared_folder()}/{name}.sqlite3" if is_sqlite else _new_on_server(name, database)
        fill(url)
        return url

    return _once(f"{name}-{'sqlite' if is_sqlite else 'postgresql'}", make)


def copy(source: str, target: str) -> None:
    """Replace a new database by a copy of an original."""
    if target.startswith("sqlite"):
        with closing(sqlite3.connect(_file(source))) as filled, closing(sqlite3.connect(_file(target))) as empty:
            filled.backup(empty)
        return
    with _administrator() as administrator:
        administrator.execute(f"DROP DATABASE {name_of(target)}")
        administrator.execute(f"CREATE DATABASE {name_of(target)} TEMPLATE {name_of(source)} STRATEGY FILE_COPY")


def name_of(database: str) -> str:
    """Return the name that a URL of PostgreSQL has for its database."""
    return urlsplit(database).path.removeprefix("/")


def as_role(database: str, role: str) -> str:
    """Return the URL by which a role reaches a database."""
    parts = urlsplit(database)
    return parts._replace(netloc=f"{role}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}").geturl()


def shared_folder() -> Path:
    """Return the folder which the processes of a run share."""
    return Path(os.environ[SHARED_FOLDER])


def _once(name: str, make: Callable[[], str]) -> str:
    """Return what the first process of the run to ask for this name has made, while the others wait."""
    made = shared_folder() / name
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_text(make())
    return made.read_text()


def _new_on_server(name: str, database: str) -> str:
    unique = f"{name}_{secrets.token_hex(4)}"
    with _administrator() as administrator:
        administrator.execute(f"CREATE DATABASE {unique}")
    return urlsplit(database)._replace(path=f"/{unique}").geturl()


def _of_owner(database: str) -> str:
    """Give a database to a role of its name, which is no superuser; return the URL by which that reaches it."""
    if database.startswith("sqlite"):
        return database
    owner = name_of(database)
    with _administrator() as administrator:
        administrator.execute(f"CREATE ROLE {owner} LOGIN PASSWORD '{PASSWORD}'")
        administrator.execute(f"ALTER DATABASE {owner} OWNER TO {owner}")
    return as_role(database, owner)


@contextmanager
def _administrator() -> Iterator[psycopg.Connection]:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as administrator:
        yield administrator


def _file(database: str) -> str:
    return database.removeprefix("sqlite:///")
