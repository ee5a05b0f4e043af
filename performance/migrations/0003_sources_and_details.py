"""Where a snapshot comes from, and what it holds beside its summary metrics.

SQLite makes a table anew to add a column, and so loses its triggers: they are put back.
"""

from collections.abc import Callable
from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

triggers = import_module("performance.migrations.0002_snapshots_append_only")
Change = Callable[[StateApps, BaseDatabaseSchemaEditor], None]


def on_sqlite(change: Change) -> Change:
    def run(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if schema_editor.connection.vendor == "sqlite":
            change(apps, schema_editor)

    return run


lift, restore = on_sqlite(triggers.remove), on_sqlite(triggers.add)


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0003_content_and_idempotency"),
        ("performance", "0002_snapshots_append_only"),
    ]

    operations = [
        migrations.RunPython(lift, restore),
        migrations.CreateModel(
            name="SnapshotDetail",
            fields=[
                (
                    "snapshot",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="detail",
                        serialize=False,
                        to="performance.metricsnapshot",
                    ),
                ),
                (
                    "custom_metrics",
                    models.JSONField(default=dict, help_text="Metrics that the task type does not know, by name."),
                ),
                (
                    "confusion_matrix",
                    models.JSONField(help_text="`labels`, and `counts[actual][predicted]`.", null=True),
                ),
                (
                    "confidence_intervals",
                    models.JSONField(default=dict, help_text="`lower`, `upper`, `level`, `method`, by metric."),
                ),
                ("per_class", models.JSONField(default=dict, help_text="By class, then by metric.")),
                ("positive_class", models.TextField(null=True)),
                ("averaging", models.CharField(max_length=10, null=True)),
                ("engine", models.CharField(help_text="What computed it here.", max_length=40, null=True)),
                ("engine_version", models.CharField(max_length=40, null=True)),
                (
                    "dataset_digest",
                    models.CharField(help_text="Of the predictions, SHA-256.", max_length=64, null=True),
                ),
            ],
        ),
        migrations.AddField(
            model_name="metricsnapshot",
            name="created_by",
            field=models.CharField(blank=True, help_text="The name of the user who stored it.", max_length=150),
        ),
        migrations.AddField(
            model_name="metricsnapshot",
            name="source",
            field=models.CharField(
                choices=[("reported", "Reported"), ("computed", "Computed"), ("imported", "Imported")],
                default="imported",
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="metricsnapshot",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ["reported", "computed", "imported"])), name="snapshot_source_known"
            ),
        ),
        migrations.RunPython(restore, lift),
    ]
