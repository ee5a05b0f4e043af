"""How far two snapshots are apart that were computed from the same examples."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0009_evaluation_jobs"),
    ]

    operations = [
        migrations.CreateModel(
            name="PairedComparison",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "intervals",
                    models.JSONField(
                        help_text="Of each difference, by metric; empty where the examples are not the same."
                    ),
                ),
                (
                    "baseline",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="performance.metricsnapshot",
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="performance.metricsnapshot",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("snapshot", "baseline"), name="paired_comparison_once")
                ],
            },
        ),
    ]
