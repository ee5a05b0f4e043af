"""The paired comparisons that are still to be computed."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0014_index_of_kept_predictions"),
    ]

    operations = [
        migrations.CreateModel(
            name="ComparisonJob",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True, default=django.utils.timezone.now, help_text="Never, once it has ended.", null=True
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "interactive",
                    models.BooleanField(default=False, help_text="Whether a request made the first attempt."),
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
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="comparison_job_due"
                    ),
                    models.Index(
                        condition=models.Q(("finished_at__isnull", False)),
                        fields=["finished_at"],
                        name="comparison_job_by_end",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("snapshot", "baseline"), name="comparison_job_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("attempts", 1), ("interactive", True), ("state", "running")),
                        fields=("interactive",),
                        name="one_interactive_comparison_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("due_at__isnull", False),
                                ("finished_at__isnull", True),
                                ("state__in", ["queued", "running"]),
                            ),
                            models.Q(("due_at__isnull", True), ("finished_at__isnull", False), ("state", "failed")),
                            _connector="OR",
                        ),
                        name="comparison_job_due_until_failed",
                    ),
                ],
            },
        ),
    ]
