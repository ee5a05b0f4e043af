"""Find the models whose newest verdict is a failure."""

from django.db import migrations, models

from models_registry.db.migration_operations import AddIndexWhileServing


class Migration(migrations.Migration):
    atomic = False  # as an index is added without a lock on its table

    dependencies = [
        ("performance", "0028_help_texts"),
    ]

    operations = [
        AddIndexWhileServing(
            model_name="gateverdict",
            index=models.Index(fields=["-id"], condition=models.Q(status="failed"), name="failed_verdicts"),
        ),
    ]
