"""A model's promoted version, and the versions of its promotions, are versions of that same model.

PostgreSQL takes this as foreign keys of two columns; SQLite cannot add those to a table, so there triggers refuse.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# (table, its column with the model, its column with the version)
REFERENCES = [
    ("models_registry_registeredmodel", "model_id", "promoted_version_id"),
    ("models_registry_promotion", "model_id", "version_id"),
    ("models_registry_promotion", "model_id", "previous_version_id"),
]
POSTGRESQL = """
ALTER TABLE {table} ADD CONSTRAINT {table}_{version}_of_model
FOREIGN KEY ({model}, {version}) REFERENCES models_registry_version (model_id, id) DEFERRABLE INITIALLY DEFERRED
"""
SQLITE = """
CREATE TRIGGER {table}_{version}_of_model_{event} BEFORE {event} ON {table}
WHEN NEW.{version} IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM models_registry_version WHERE id = NEW.{version} AND model_id = NEW.{model}
)
BEGIN SELECT RAISE(ABORT, 'the version is of another model'); END
"""
SQLITE_VERSION = """
CREATE TRIGGER models_registry_version_keeps_model BEFORE UPDATE OF model_id ON models_registry_version
WHEN NEW.model_id <> OLD.model_id
BEGIN SELECT RAISE(ABORT, 'a version stays with its model'); END
"""


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(SQLITE_VERSION)
    for table, model, version in REFERENCES:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(POSTGRESQL.format(table=table, model=model, version=version))
        else:
            for event in ("INSERT", "UPDATE"):
                schema_editor.execute(SQLITE.format(table=table, model=model, version=version, event=event))


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TRIGGER models_registry_version_keeps_model")
    for table, _, version in REFERENCES:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_{version}_of_model")
        else:
            for event in ("INSERT", "UPDATE"):
                schema_editor.execute(f"DROP TRIGGER {table}_{version}_of_model_{event}")


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0001_initial")]
    operations = [migrations.RunPython(add, remove)]
