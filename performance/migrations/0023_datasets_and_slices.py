"""Name the dataset of a snapshot, and store metrics by the values of an attribute.

SQLite makes a table anew to add a column, and so loses its triggers: they are put back.
"""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

triggers = import_module("performance.migrations.0002_snapshots_append_only")
on_sqlite = import_module("performance.migrations.0003_sources_and_details").on_sqlite

lift, restore = on_sqlite(triggers.remove), on_sqlite(triggers.add)


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0022_evaluation_details"),
    ]

    operations = [
        migrations.RunPython(lift, restore),
        migrations.AddField(
            model_name="metricsnapshot",
            name="dataset",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The name of the dataset; empty for the primary one.",
                max_length=100,
            ),
        ),
        migrations.RunPython(restore, lift),
        migrations.AddField(
            model_name="snapshotdetail",
            name="dataset_version",
            field=models.CharField(help_text="The version of the named dataset.", max_length=100, null=True),
        ),
        migrations.CreateModel(
            name="SnapshotSlice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attribute", models.CharField(max_length=200)),
                (
                    "position",
                    models.PositiveSmallIntegerField(
                        help_text="The place of the value among those of the attribute, from 1."
                    ),
                ),
                (
                    "value",
                    models.TextField(
                        help_text="Null for all values past the most frequent ones, which count together.", null=True
                    ),
                ),
                ("sample_count", models.PositiveBigIntegerField()),
                ("metrics", models.JSONField(help_text="Summary metrics by name; absent when undefined.")),
                (
                    "confidence_intervals",
                    models.JSONField(default=dict, help_text="`lower`, `upper`, `level`, `method`, by metric."),
                ),
                (
                    "intervals_unavailable",
                    models.JSONField(default=dict, help_text="Why a metric has no interval, by metric."),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="slices",
                        to="performance.metricsnapshot",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("snapshot", "attribute", "position"), name="slice_position_once")
                ],
            },
        ),
    ]
