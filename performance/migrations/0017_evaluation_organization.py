"""Whose evaluation it is, for turns and quotas."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0007_indexes_of_lists"),
        ("performance", "0016_webhook_pauses"),
    ]

    operations = [
        migrations.AddField(
            model_name="evaluationjob",
            name="organization",
            field=models.ForeignKey(
                db_index=False,
                help_text="Whose turn it takes; null for an evaluation that ended before this was recorded.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="models_registry.organization",
            ),
        ),
    ]
