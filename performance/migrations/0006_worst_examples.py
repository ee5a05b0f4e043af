"""The examples that a version predicted worst, and how many were wrong in all.

SQLite makes a table anew to add a column, and so loses its triggers: they are put back.
"""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

triggers = import_module("performance.migrations.0004_details_append_only")
on_sqlite = import_module("performance.migrations.0003_sources_and_details").on_sqlite

lift, restore = on_sqlite(triggers.remove), on_sqlite(triggers.add)


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0005_further_metrics"),
    ]

    operations = [
        migrations.RunPython(lift, restore),
        migrations.AddField(
            model_name="snapshotdetail",
            name="misclassified_count",
            field=models.PositiveBigIntegerField(help_text="All that were, whether kept or not.", null=True),
        ),
        migrations.RunPython(restore, lift),
        migrations.CreateModel(
            name="MisclassifiedExample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rank", models.PositiveSmallIntegerField(help_text="From 1, the worst.")),
                ("example_id", models.TextField(null=True)),
                ("attributes", models.JSONField(default=dict, help_text="What else is known of it, by name.")),
                ("actual", models.TextField()),
                ("predicted", models.TextField()),
                ("confidence", models.FloatField(help_text="The probability given to the predicted class.", null=True)),
                (
                    "snapshot",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="misclassified",
                        to="performance.metricsnapshot",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("snapshot", "rank"), name="misclassified_rank_once")],
            },
        ),
        migrations.CreateModel(
            name="ResidualExample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rank", models.PositiveSmallIntegerField(help_text="From 1, the worst.")),
                ("example_id", models.TextField(null=True)),
                ("attributes", models.JSONField(default=dict, help_text="What else is known of it, by name.")),
                ("actual", models.FloatField()),
                ("predicted", models.FloatField()),
                ("residual", models.FloatField(help_text="predicted - actual")),
                (
                    "snapshot",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="residuals",
                        to="performance.metricsnapshot",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("snapshot", "rank"), name="residual_rank_once")],
            },
        ),
    ]
