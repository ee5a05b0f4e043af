"""The index by which the purge finds who needs a kept file."""

from django.db import migrations, models

from models_registry.db.migration_operations import AddIndexWhileServing


class Migration(migrations.Migration):
    atomic = False  # as an index is added without a lock on its table

    dependencies = [("performance", "0013_webhooks")]

    operations = [
        AddIndexWhileServing(
            model_name="snapshotdetail",
            index=models.Index(
                condition=models.Q(("predictions_digest__isnull", False)),
                fields=["predictions_digest"],
                name="detail_by_predictions",
            ),
        ),
    ]
