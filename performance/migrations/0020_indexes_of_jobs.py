"""Indexes by which workers take turns, quotas are counted, and the purge finds old evaluations."""

from django.db import migrations, models

from models_registry.db.migration_operations import AddIndexWhileServing


class Migration(migrations.Migration):
    atomic = False  # as an index is added without a lock on its table

    dependencies = [
        ("performance", "0019_fill_evaluation_organization"),
    ]

    operations = [
        AddIndexWhileServing(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["webhook", "due_at"],
                name="delivery_due_of_webhook",
            ),
        ),
        AddIndexWhileServing(
            model_name="evaluationjob",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["organization", "due_at"],
                name="evaluation_due_by_owner",
            ),
        ),
        AddIndexWhileServing(
            model_name="evaluationjob",
            index=models.Index(
                condition=models.Q(("started_at__isnull", False)),
                fields=["organization", "-started_at"],
                name="evaluation_started_by_owner",
            ),
        ),
        AddIndexWhileServing(
            model_name="evaluationjob",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", False)), fields=["finished_at"], name="evaluation_by_end"
            ),
        ),
    ]
