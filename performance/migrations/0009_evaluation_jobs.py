"""Evaluations of uploaded predictions, and how many rows the predictions of a snapshot had.

SQLite makes a table anew to add a column, and so loses its triggers: they are put back.
"""

import uuid
from importlib import import_module

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

triggers = import_module("performance.migrations.0004_details_append_only")
on_sqlite = import_module("performance.migrations.0003_sources_and_details").on_sqlite

lift, restore = on_sqlite(triggers.remove), on_sqlite(triggers.add)


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0007_indexes_of_lists"),
        ("performance", "0008_curves_and_predictions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(lift, restore),
        migrations.AddField(
            model_name="snapshotdetail",
            name="row_count",
            field=models.PositiveBigIntegerField(
                help_text="All rows of the predictions, with those that were left out for having none.", null=True
            ),
        ),
        migrations.RunPython(restore, lift),
        migrations.CreateModel(
            name="EvaluationJob",
            fields=[
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
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "dataset_split",
                    models.CharField(
                        choices=[("train", "Train"), ("validation", "Validation"), ("test", "Test")], max_length=10
                    ),
                ),
                (
                    "columns",
                    models.JSONField(default=dict, help_text="Which columns hold what, where not named as usual."),
                ),
                (
                    "options",
                    models.JSONField(
                        default=dict, help_text="What its author chose: the positive class, the averaging, …"
                    ),
                ),
                (
                    "file",
                    models.FileField(
                        help_text="The upload, which is kept until the evaluation has ended.", upload_to=""
                    ),
                ),
                ("digest", models.CharField(help_text="Of the upload, SHA-256.", max_length=64)),
                ("progress", models.FloatField(default=0.0, help_text="From 0 to 1.")),
                (
                    "problem",
                    models.JSONField(
                        blank=True, help_text="`code`, `detail`, `column`, `row`: why it failed.", null=True
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "snapshot",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evaluation",
                        to="performance.metricsnapshot",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evaluations",
                        to="models_registry.version",
                    ),
                ),
            ],
            options={
                "verbose_name": "evaluation",
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="evaluation_due"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("due_at__isnull", False),
                                ("finished_at__isnull", True),
                                ("state__in", ["queued", "running"]),
                            ),
                            models.Q(
                                ("due_at__isnull", True),
                                ("finished_at__isnull", False),
                                ("state__in", ["succeeded", "failed"]),
                            ),
                            _connector="OR",
                        ),
                        name="evaluation_due_until_finished",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("snapshot__isnull", False), ("state", "succeeded")),
                            models.Q(models.Q(("state", "succeeded"), _negated=True), ("snapshot__isnull", True)),
                            _connector="OR",
                        ),
                        name="evaluation_snapshot_iff_succeeded",
                    ),
                ],
            },
        ),
    ]
