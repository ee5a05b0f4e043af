"""Make slices append-only, as the snapshot is: the database refuses to change or delete a row."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor as SchemaEditor
from django.db.migrations.state import StateApps

TABLE = "performance_snapshotslice"
POSTGRESQL = f"""
CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR DELETE ON {TABLE}
FOR EACH ROW EXECUTE FUNCTION performance_refuse_change()
"""
SQLITE = f"""
CREATE TRIGGER {TABLE}_no_{{event}} BEFORE {{event}} ON {TABLE}
{{condition}}BEGIN SELECT RAISE(ABORT, 'a metric snapshot never changes and is never deleted'); END
"""
# INSERT OR REPLACE deletes without firing the trigger of DELETE.
EXISTS = f"""WHEN EXISTS (
    SELECT 1 FROM {TABLE}
    WHERE id = NEW.id
        OR snapshot_id = NEW.snapshot_id AND attribute = NEW.attribute AND position = NEW.position
) """  # noqa: S608  # the name is a constant
SQLITE_EVENTS = {"UPDATE": "", "DELETE": "", "INSERT": EXISTS}


def add(apps: StateApps, schema_editor: SchemaEditor) -> None:
    """Create the triggers."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL)
        return
    for event, condition in SQLITE_EVENTS.items():
        schema_editor.execute(SQLITE.format(event=event, condition=condition))


def remove(apps: StateApps, schema_editor: SchemaEditor) -> None:
    """Drop the triggers."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {TABLE}_append_only ON {TABLE}")
        return
    for event in SQLITE_EVENTS:
        schema_editor.execute(f"DROP TRIGGER {TABLE}_no_{event}")


class Migration(migrations.Migration):
    dependencies = [("performance", "0023_datasets_and_slices")]
    operations = [migrations.RunPython(add, remove)]
