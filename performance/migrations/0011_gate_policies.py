"""Policies of gates, and verdicts. Both are append-only: the database itself refuses a change."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLES = ("performance_gatepolicy", "performance_gateverdict")
FUNCTION = """
CREATE FUNCTION performance_refuse_change_of_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a gate policy or verdict never changes and is never deleted' USING ERRCODE = 'restrict_violation';
END $$
"""
POSTGRESQL = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION performance_refuse_change_of_gate()
"""
SQLITE = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table}
{condition}BEGIN SELECT RAISE(ABORT, 'a gate policy or verdict never changes and is never deleted'); END
"""
# INSERT OR REPLACE deletes without firing the trigger of DELETE
IS_THERE = "WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id{same}) "
SAME = {
    "performance_gatepolicy": (
        " OR version = NEW.version AND (model_id = NEW.model_id OR organization_id = NEW.organization_id)"
    )
}
SQLITE_EVENTS = [("UPDATE", ""), ("DELETE", ""), ("INSERT", IS_THERE)]


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION)
    for table in TABLES:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(POSTGRESQL.format(table=table))
        else:
            for event, condition in SQLITE_EVENTS:
                when = condition.format(table=table, same=SAME.get(table, ""))
                schema_editor.execute(SQLITE.format(table=table, event=event, condition=when))


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for table in TABLES:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        else:
            for event, _ in SQLITE_EVENTS:
                schema_editor.execute(f"DROP TRIGGER {table}_no_{event}")
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION performance_refuse_change_of_gate()")


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0007_indexes_of_lists"),
        ("performance", "0010_paired_comparisons"),
    ]

    operations = [
        migrations.CreateModel(
            name="GatePolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "version",
                    models.PositiveIntegerField(
                        help_text="The sequence number within the model or organization, from 1."
                    ),
                ),
                (
                    "document",
                    models.JSONField(
                        blank=True, help_text="<code>dataset_split</code> and <code>rules</code>.", null=True
                    ),
                ),
                (
                    "created_by",
                    models.CharField(blank=True, help_text="The name of the user who stored it.", max_length=150),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "model",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="gate_policies",
                        to="models_registry.registeredmodel",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="gate_policies",
                        to="models_registry.organization",
                    ),
                ),
            ],
            options={
                "verbose_name": "gate policy",
                "verbose_name_plural": "gate policies",
                "constraints": [
                    models.UniqueConstraint(fields=("model", "version"), name="policy_version_once_per_model"),
                    models.UniqueConstraint(
                        fields=("organization", "version"), name="policy_version_once_per_organization"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("model__isnull", False), ("organization__isnull", True)),
                            models.Q(("model__isnull", True), ("organization__isnull", False)),
                            _connector="OR",
                        ),
                        name="policy_of_model_or_organization",
                    ),
                    models.CheckConstraint(condition=models.Q(("version__gte", 1)), name="policy_version_from_1"),
                ],
            },
        ),
        migrations.CreateModel(
            name="GateVerdict",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "occasion",
                    models.CharField(
                        choices=[("promotion", "Promotion"), ("enforcement", "Enforcement")], max_length=12
                    ),
                ),
                ("status", models.CharField(max_length=10)),
                ("document", models.JSONField(help_text="The verdict as it was told.")),
                (
                    "requested_by",
                    models.CharField(blank=True, help_text="The name of the user who asked.", max_length=150),
                ),
                ("judged_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "model",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verdicts",
                        to="models_registry.registeredmodel",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verdicts",
                        to="models_registry.version",
                    ),
                ),
            ],
            options={
                "verbose_name": "gate verdict",
                "indexes": [models.Index(fields=["model", "-id"], name="verdicts_of_model")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("occasion__in", ["promotion", "enforcement"])),
                        name="verdict_occasion_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["passed", "failed", "no_policy"])),
                        name="verdict_status_known",
                    ),
                ],
            },
        ),
        migrations.RunPython(add, remove),
    ]
