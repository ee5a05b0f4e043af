"""Find the newest snapshot of a version by split and dataset."""

from django.db import migrations, models

from models_registry.db.migration_operations import AddIndexWhileServing, RemoveIndexWhileServing


class Migration(migrations.Migration):
    atomic = False  # as an index is added without a lock on its table

    dependencies = [
        ("performance", "0025_train_overlap"),
    ]

    operations = [
        AddIndexWhileServing(
            model_name="metricsnapshot",
            index=models.Index(
                fields=["version", "dataset_split", "dataset", "-evaluated_at", "-id"],
                name="snapshot_newest_of_dataset",
            ),
        ),
        RemoveIndexWhileServing(model_name="metricsnapshot", name="snapshot_newest"),
    ]
