"""Store what the report says of an evaluation beside its metrics. Database defaults serve the release before.

SQLite makes a table anew to add a column, and so loses its triggers: they are put back.
"""

from importlib import import_module

from django.db import migrations, models

triggers = import_module("performance.migrations.0004_details_append_only")
on_sqlite = import_module("performance.migrations.0003_sources_and_details").on_sqlite

lift, restore = on_sqlite(triggers.remove), on_sqlite(triggers.add)


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0021_attributes_by_name"),
    ]

    operations = [
        migrations.RunPython(lift, restore),
        migrations.AddField(
            model_name="snapshotdetail",
            name="effective_sample_size",
            field=models.FloatField(
                help_text="The number of unweighted, independent examples that tell as much.", null=True
            ),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="evaluation_options",
            field=models.JSONField(
                db_default={}, default=dict, help_text="What the evaluation was asked for or chose."
            ),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="examples_digest",
            field=models.CharField(
                help_text="The SHA-256 of the examples, whatever is predicted.", max_length=64, null=True
            ),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="intervals_unavailable",
            field=models.JSONField(db_default={}, default=dict, help_text="Why a metric has no interval, by metric."),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="metrics_unavailable",
            field=models.JSONField(db_default={}, default=dict, help_text="Why a metric has no value, by metric."),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="missing_fraction",
            field=models.FloatField(help_text="The share of rows without a prediction, from 0 to 1.", null=True),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="warnings",
            field=models.JSONField(db_default=[], default=list, help_text="`code` and `detail` of each."),
        ),
        migrations.RunPython(restore, lift),
    ]
