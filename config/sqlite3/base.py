"""Django's SQLite backend, whose database nobody but its owner may read."""

from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base

from models_registry.db.secret_files import create_private_database


class DatabaseWrapper(base.DatabaseWrapper):
    """Makes a missing database private before SQLite makes it with the rights of any other file."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a connection. Raises `OperationalError` when there is no file and none can be made."""
        if not self.is_in_memory_db():
            create_private_database(Path(self.settings_dict["NAME"]))
        return super().get_new_connection(conn_params)
