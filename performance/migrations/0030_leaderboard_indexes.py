"""Find the snapshots of a dataset, by its name or by the digest of its examples."""

from django.db import migrations, models
from django.db.models import Q

from models_registry.db.migration_operations import AddIndexWhileServing


class Migration(migrations.Migration):
    atomic = False  # as the indexes are added without locks on their tables

    dependencies = [
        ("performance", "0029_index_of_failed_verdicts"),
    ]

    operations = [
        AddIndexWhileServing(
            model_name="metricsnapshot",
            index=models.Index(
                fields=["dataset", "dataset_split", "-id"], condition=~Q(dataset=""), name="snapshot_by_named_dataset"
            ),
        ),
        AddIndexWhileServing(
            model_name="snapshotdetail",
            index=models.Index(
                fields=["examples_digest", "-snapshot"],
                condition=Q(examples_digest__isnull=False),
                name="detail_by_examples",
            ),
        ),
    ]
