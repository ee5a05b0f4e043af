import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        ("models_registry", "0003_content_and_idempotency"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("changes", models.JSONField(null=True, verbose_name="change message")),
                (
                    "cid",
                    models.CharField(
                        blank=True, db_index=True, max_length=255, null=True, verbose_name="Correlation ID"
                    ),
                ),
                (
                    "timestamp",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name="timestamp"),
                ),
                ("serialized_data", models.JSONField(editable=False, null=True)),
                ("object_pk", models.CharField(blank=True, max_length=255, verbose_name="key")),
                ("object_id", models.BigIntegerField(null=True)),
                ("object_repr", models.TextField(blank=True, verbose_name="record")),
                (
                    "action",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "create"), (1, "update"), (2, "delete"), (4, "denied")]
                    ),
                ),
                ("actor_name", models.CharField(blank=True, max_length=150, verbose_name="who")),
                ("remote_addr", models.GenericIPAddressField(null=True, verbose_name="from")),
                ("method", models.CharField(blank=True, max_length=10)),
                ("path", models.CharField(blank=True, max_length=255)),
                ("code", models.CharField(blank=True, help_text="The problem's code, of a denial.", max_length=40)),
                (
                    "actor",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "content_type",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="contenttypes.contenttype",
                        verbose_name="kind",
                    ),
                ),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit trail",
                "ordering": ("-timestamp", "-pk"),
                "indexes": [
                    models.Index(fields=["content_type", "object_pk", "-timestamp"], name="audit_by_record"),
                    models.Index(fields=["actor", "-timestamp"], name="audit_by_actor"),
                ],
            },
        ),
    ]
