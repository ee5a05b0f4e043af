"""What a snapshot holds in its detail is as append-only as the snapshot: the database itself refuses a change."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

POSTGRESQL = """
CREATE TRIGGER performance_snapshotdetail_append_only BEFORE UPDATE OR DELETE ON performance_snapshotdetail
FOR EACH ROW EXECUTE FUNCTION performance_refuse_change()
"""
SQLITE = """
CREATE TRIGGER performance_snapshotdetail_no_{event} BEFORE {event} ON performance_snapshotdetail
{condition}BEGIN SELECT RAISE(ABORT, 'a metric snapshot never changes and is never deleted'); END
"""
# (event, its condition): INSERT OR REPLACE deletes without firing the trigger of DELETE
SQLITE_EVENTS = [
    ("UPDATE", ""),
    ("DELETE", ""),
    ("INSERT", "WHEN EXISTS (SELECT 1 FROM performance_snapshotdetail WHERE snapshot_id = NEW.snapshot_id) "),
]


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL)
    else:
        for event, condition in SQLITE_EVENTS:
            schema_editor.execute(SQLITE.format(event=event, condition=condition))


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER performance_snapshotdetail_append_only ON performance_snapshotdetail")
    else:
        for event, _ in SQLITE_EVENTS:
            schema_editor.execute(f"DROP TRIGGER performance_snapshotdetail_no_{event}")


class Migration(migrations.Migration):
    dependencies = [("performance", "0003_sources_and_details")]
    operations = [migrations.RunPython(add, remove)]
