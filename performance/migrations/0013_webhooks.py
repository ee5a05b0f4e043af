"""Webhooks, and the messages to them."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import performance.webhooks.models
import performance.webhooks.validators


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0007_indexes_of_lists"),
        ("performance", "0012_badges"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Webhook",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "url",
                    models.CharField(
                        max_length=2000,
                        validators=[performance.webhooks.validators.validate_webhook_url],
                        verbose_name="URL",
                    ),
                ),
                (
                    "events",
                    models.JSONField(
                        help_text="The names of those that it is told of.",
                        validators=[performance.webhooks.validators.validate_events],
                    ),
                ),
                (
                    "secret",
                    models.CharField(
                        default=performance.webhooks.models.new_webhook_secret, editable=False, max_length=100
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
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
                        blank=True,
                        help_text="Of which alone it is told; without one, of all models of the organization.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhooks",
                        to="models_registry.registeredmodel",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhooks",
                        to="models_registry.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
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
                ("event", models.CharField(max_length=40)),
                ("payload", models.TextField(help_text="The body, as it is sent at each attempt.")),
                (
                    "last_status",
                    models.PositiveSmallIntegerField(
                        blank=True, help_text="Of the last answer, if one came.", null=True
                    ),
                ),
                ("last_answer", models.CharField(blank=True, help_text="How its body began.", max_length=500)),
                ("last_error", models.CharField(blank=True, help_text="Why it is not delivered.", max_length=1000)),
                (
                    "webhook",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="performance.webhook",
                    ),
                ),
            ],
            options={
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
                "indexes": [
                    models.Index(condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="delivery_due"),
                    models.Index(fields=["webhook", "-created_at", "-id"], name="deliveries_of_webhook"),
                    models.Index(
                        condition=models.Q(("finished_at__isnull", False)),
                        fields=["finished_at"],
                        name="delivery_by_end",
                    ),
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
                        name="delivery_due_until_finished",
                    )
                ],
            },
        ),
    ]
