"""Let the purge delete old rows of the audit trail: those of denials after 7 days, all others after 30.

The database refuses every other change as before. A transaction of the purge says what it is by a setting of its own,
so that nothing else deletes a row by mistake, however old. SQLite has no such setting: there the purge lifts the
trigger in its own transaction.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

FUNCTION = """
CREATE OR REPLACE FUNCTION models_registry_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {exception}RAISE EXCEPTION 'the audit trail never changes' USING ERRCODE = 'restrict_violation';
END $$
"""
# 4 is the action of a denial.
EXCEPTION = """IF TG_OP = 'DELETE' AND current_setting('models_registry.purges_audit_trail', true) = 'on'
        AND OLD.timestamp < now() - (CASE OLD.action WHEN 4 THEN interval '7 days' ELSE interval '30 days' END) THEN
        RETURN OLD;
    END IF;
    """


def allow_purge(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION.format(exception=EXCEPTION))


def refuse_all(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION.format(exception=""))


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0008_indexes_of_audit_trail")]
    operations = [migrations.RunPython(allow_purge, refuse_all)]
