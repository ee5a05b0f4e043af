"""A metric snapshot never changes and is never deleted: the database itself refuses UPDATE, DELETE and REPLACE."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

POSTGRESQL = """
CREATE FUNCTION performance_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a metric snapshot never changes and is never deleted' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER performance_metricsnapshot_append_only BEFORE UPDATE OR DELETE ON performance_metricsnapshot
FOR EACH ROW EXECUTE FUNCTION performance_refuse_change()
"""
SQLITE = """
CREATE TRIGGER performance_metricsnapshot_no_{event} BEFORE {event} ON performance_metricsnapshot
{condition}BEGIN SELECT RAISE(ABORT, 'a metric snapshot never changes and is never deleted'); END
"""
# (event, its condition): INSERT OR REPLACE deletes without firing the trigger of DELETE
SQLITE_EVENTS = [
    ("UPDATE", ""),
    ("DELETE", ""),
    ("INSERT", "WHEN EXISTS (SELECT 1 FROM performance_metricsnapshot WHERE id = NEW.id) "),
]


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL)
    else:
        for event, condition in SQLITE_EVENTS:
            schema_editor.execute(SQLITE.format(event=event, condition=condition))


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER performance_metricsnapshot_append_only ON performance_metricsnapshot")
        schema_editor.execute("DROP FUNCTION performance_refuse_change()")
    else:
        for event, _ in SQLITE_EVENTS:
            schema_editor.execute(f"DROP TRIGGER performance_metricsnapshot_no_{event}")


class Migration(migrations.Migration):
    dependencies = [("performance", "0001_initial")]
    operations = [migrations.RunPython(add, remove)]
