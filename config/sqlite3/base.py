"""Django's SQLite backend with a database that only its owner may read, and that is read without the writers' lock."""

from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base, features

from models_registry.db.secret_files import create_private_database


class DatabaseFeatures(features.DatabaseFeatures):
    """Says that SQLite knows JSON, as each one that Python comes with does.

    Django tries it out in a transaction, which waits for a writer before the first read of each thread.
    """

    supports_json_field = True


class DatabaseWrapper(base.DatabaseWrapper):
    """Create a missing database privately before SQLite would create it with default permissions."""

    features_class = DatabaseFeatures

    def get_new_connection(self, conn_params: dict[str, object]) -> Any:
        """Return a connection. Raises `OperationalError` if there is no file and none can be created."""
        if not self.is_in_memory_db():
            create_private_database(Path(self.settings_dict["NAME"]))
        return super().get_new_connection(conn_params)
