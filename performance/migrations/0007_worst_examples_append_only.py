"""The examples of a snapshot are as append-only as the snapshot: the database itself refuses a change."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLES = ("performance_misclassifiedexample", "performance_residualexample")
POSTGRESQL = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION performance_refuse_change()
"""
SQLITE = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table}
{condition}BEGIN SELECT RAISE(ABORT, 'a metric snapshot never changes and is never deleted'); END
"""
# INSERT OR REPLACE deletes without firing the trigger of DELETE
IS_THERE = "WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id OR snapshot_id = NEW.snapshot_id AND rank = NEW.rank) "
SQLITE_EVENTS = [("UPDATE", ""), ("DELETE", ""), ("INSERT", IS_THERE)]


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for table in TABLES:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(POSTGRESQL.format(table=table))
        else:
            for event, condition in SQLITE_EVENTS:
                schema_editor.execute(SQLITE.format(table=table, event=event, condition=condition.format(table=table)))


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for table in TABLES:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        else:
            for event, _ in SQLITE_EVENTS:
                schema_editor.execute(f"DROP TRIGGER {table}_no_{event}")


class Migration(migrations.Migration):
    dependencies = [("performance", "0006_worst_examples")]
    operations = [migrations.RunPython(add, remove)]
