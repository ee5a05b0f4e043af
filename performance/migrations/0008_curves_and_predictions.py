"""Points to draw, and which predictions a snapshot was computed from.

SQLite makes a table anew to add a column, and so loses its triggers: they are put back.
"""

from importlib import import_module

from django.db import migrations, models

triggers = import_module("performance.migrations.0004_details_append_only")
on_sqlite = import_module("performance.migrations.0003_sources_and_details").on_sqlite

lift, restore = on_sqlite(triggers.remove), on_sqlite(triggers.add)


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0007_worst_examples_append_only"),
    ]

    operations = [
        migrations.RunPython(lift, restore),
        migrations.AddField(
            model_name="snapshotdetail",
            name="curves",
            field=models.JSONField(default=dict, help_text="Points to draw, by the kind of curve."),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="predictions_digest",
            field=models.CharField(
                help_text="Of the predictions as they are kept, SHA-256; they are stored under it.",
                max_length=64,
                null=True,
            ),
        ),
        migrations.RunPython(restore, lift),
    ]
