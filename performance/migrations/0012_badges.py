"""Badges that may be looked at without a token."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0007_indexes_of_lists"),
        ("performance", "0011_gate_policies"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Badge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("metric", models.CharField(blank=True, help_text="Empty for the gate's verdict.", max_length=100)),
                (
                    "dataset_split",
                    models.CharField(
                        blank=True,
                        choices=[("train", "Train"), ("validation", "Validation"), ("test", "Test")],
                        help_text="Of the metric; a policy has a split itself.",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="badges",
                        to="models_registry.registeredmodel",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("dataset_split", ""), ("metric", "")),
                            models.Q(
                                models.Q(("metric", ""), _negated=True),
                                ("dataset_split__in", ["train", "validation", "test"]),
                            ),
                            _connector="OR",
                        ),
                        name="badge_of_metric_on_split_or_of_verdict",
                    )
                ],
            },
        ),
    ]
