"""The audit trail never changes: the database itself refuses UPDATE, DELETE and REPLACE of its rows."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

POSTGRESQL = """
CREATE FUNCTION models_registry_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail never changes' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER models_registry_auditentry_append_only BEFORE UPDATE OR DELETE ON models_registry_auditentry
FOR EACH ROW EXECUTE FUNCTION models_registry_refuse_change()
"""
SQLITE = """
CREATE TRIGGER models_registry_auditentry_no_{event} BEFORE {event} ON models_registry_auditentry
{condition}BEGIN SELECT RAISE(ABORT, 'the audit trail never changes'); END
"""
# (event, its condition): INSERT OR REPLACE deletes without firing the trigger of DELETE
SQLITE_EVENTS = [
    ("UPDATE", ""),
    ("DELETE", ""),
    ("INSERT", "WHEN EXISTS (SELECT 1 FROM models_registry_auditentry WHERE id = NEW.id) "),
]


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL)
    else:
        for event, condition in SQLITE_EVENTS:
            schema_editor.execute(SQLITE.format(event=event, condition=condition))


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER models_registry_auditentry_append_only ON models_registry_auditentry")
        schema_editor.execute("DROP FUNCTION models_registry_refuse_change()")
    else:
        for event, _ in SQLITE_EVENTS:
            schema_editor.execute(f"DROP TRIGGER models_registry_auditentry_no_{event}")


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0004_audit_trail")]
    operations = [migrations.RunPython(add, remove)]
