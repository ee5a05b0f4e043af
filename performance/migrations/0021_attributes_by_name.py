"""Undone, it gives every example the names of its attributes again, which the release before cannot do without."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLES = ("performance_misclassifiedexample", "performance_residualexample")
POSTGRESQL = """
ALTER TABLE {table} DISABLE TRIGGER {table}_append_only;
UPDATE {table} SET attributes = (
    SELECT coalesce(jsonb_object_agg(names.name, given.value), '{{}}')
    FROM performance_snapshotdetail,
        jsonb_array_elements_text(attribute_names) WITH ORDINALITY AS names (name, place)
        JOIN jsonb_array_elements({table}.attributes) WITH ORDINALITY AS given (value, place) USING (place)
    WHERE performance_snapshotdetail.snapshot_id = {table}.snapshot_id
) WHERE jsonb_typeof(attributes) = 'array';
ALTER TABLE {table} ENABLE TRIGGER {table}_append_only
"""
SQLITE = """
UPDATE {table} SET attributes = (
    SELECT json_group_object(names.value, given.value)
    FROM performance_snapshotdetail, json_each(attribute_names) AS names
        JOIN json_each({table}.attributes) AS given ON given.key = names.key
    WHERE performance_snapshotdetail.snapshot_id = {table}.snapshot_id
) WHERE json_type(attributes) = 'array'
"""
SQLITE_TRIGGER = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = %s"


def name_attributes(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make an object of each list of values. What it tells does not change, so the triggers are lifted for it."""
    for table in TABLES:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(POSTGRESQL.format(table=table))
            continue
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(SQLITE_TRIGGER, [f"{table}_no_UPDATE"])
            (trigger,) = cursor.fetchone()
            cursor.execute(f"DROP TRIGGER {table}_no_UPDATE")
            cursor.execute(SQLITE.format(table=table))
            cursor.execute(trigger)


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0020_indexes_of_jobs"),
    ]

    operations = [migrations.RunPython(migrations.RunPython.noop, name_attributes)]
