"""Logins in the audit trail, and the index by which those of one user are found."""

from django.db import migrations, models

from models_registry.db.migration_operations import AddIndexWhileServing


class Migration(migrations.Migration):
    atomic = False  # as an index is added without a lock on its table

    dependencies = [
        ("models_registry", "0010_source_uri_schemes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="auditentry",
            name="action",
            field=models.PositiveSmallIntegerField(
                choices=[
                    (0, "create"),
                    (1, "update"),
                    (2, "delete"),
                    (4, "denied"),
                    (5, "logged in"),
                    (6, "logged out"),
                ]
            ),
        ),
        AddIndexWhileServing(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(
                    ("action", 5), models.Q(("action", 0), ("path", "/api/v1/auth/token")), _connector="OR"
                ),
                fields=["actor", "-timestamp"],
                name="audit_logins_by_actor",
            ),
        ),
    ]
