"""What a model and a version are, why one was promoted, and the answers kept for idempotency keys.

SQLite makes a table anew to add a column, and so loses its triggers: they are put back.
"""

from collections.abc import Callable
from importlib import import_module

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

triggers = import_module("models_registry.migrations.0002_promoted_version_of_same_model")
Change = Callable[[StateApps, BaseDatabaseSchemaEditor], None]


def on_sqlite(change: Change) -> Change:
    def run(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if schema_editor.connection.vendor == "sqlite":
            change(apps, schema_editor)

    return run


lift, restore = on_sqlite(triggers.remove), on_sqlite(triggers.add)


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0002_promoted_version_of_same_model"),
    ]

    operations = [
        migrations.RunPython(lift, restore),
        migrations.AddField(
            model_name="promotion",
            name="overridden",
            field=models.BooleanField(default=False, help_text="Whether an admin promoted it against the verdict."),
        ),
        migrations.AddField(
            model_name="promotion",
            name="restores",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="models_registry.promotion",
            ),
        ),
        migrations.AddField(
            model_name="promotion",
            name="verdict",
            field=models.JSONField(
                blank=True, help_text="What a gate said of the version, if one judged it.", null=True
            ),
        ),
        migrations.AddField(
            model_name="registeredmodel",
            name="created_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="registeredmodel",
            name="tags",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="version",
            name="created_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="version",
            name="description",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="version",
            name="parameters",
            field=models.JSONField(blank=True, default=dict, help_text="What it was trained with."),
        ),
        migrations.AddField(
            model_name="version",
            name="source_uri",
            field=models.CharField(blank=True, help_text="Where the trained artefact or its code is.", max_length=2000),
        ),
        migrations.AddField(
            model_name="version",
            name="tags",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("route", models.CharField(help_text="The path that was posted to.", max_length=255)),
                ("key", models.CharField(max_length=255)),
                ("digest", models.CharField(help_text="SHA-256 of the body.", max_length=64)),
                ("status", models.PositiveSmallIntegerField()),
                ("headers", models.JSONField(default=dict)),
                ("body", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["created_at"], name="idempotency_key_by_age")],
                "constraints": [models.UniqueConstraint(fields=("user", "route", "key"), name="idempotency_key_once")],
            },
        ),
        migrations.RunPython(restore, lift),
    ]
