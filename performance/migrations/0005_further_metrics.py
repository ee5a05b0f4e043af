"""Metrics of the task type that are in the report, and not in the summary.

SQLite makes a table anew to add a column, and so loses its triggers: they are put back.
"""

from importlib import import_module

from django.db import migrations, models

triggers = import_module("performance.migrations.0004_details_append_only")
on_sqlite = import_module("performance.migrations.0003_sources_and_details").on_sqlite

lift, restore = on_sqlite(triggers.remove), on_sqlite(triggers.add)


class Migration(migrations.Migration):
    dependencies = [("performance", "0004_details_append_only")]

    operations = [
        migrations.RunPython(lift, restore),
        migrations.AddField(
            model_name="snapshotdetail",
            name="further_metrics",
            field=models.JSONField(
                default=dict, help_text="Metrics of the task type that are not in the summary, by name."
            ),
        ),
        migrations.RunPython(restore, lift),
    ]
