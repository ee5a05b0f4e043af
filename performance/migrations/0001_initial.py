import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("models_registry", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="MetricSnapshot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "dataset_split",
                    models.CharField(
                        choices=[("train", "Train"), ("validation", "Validation"), ("test", "Test")], max_length=10
                    ),
                ),
                (
                    "metrics",
                    models.JSONField(
                        help_text="Summary metrics of the model's task type, by name; absent when not recorded."
                    ),
                ),
                ("sample_count", models.PositiveBigIntegerField(blank=True, null=True)),
                ("evaluated_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="snapshots",
                        to="models_registry.version",
                    ),
                ),
            ],
            options={
                "verbose_name": "metric snapshot",
                "indexes": [
                    models.Index(fields=["version", "dataset_split", "-evaluated_at", "-id"], name="snapshot_newest"),
                    models.Index(fields=["-evaluated_at", "-id"], name="snapshot_by_date"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("dataset_split__in", ["train", "validation", "test"])),
                        name="snapshot_dataset_split_known",
                    )
                ],
            },
        ),
    ]
