"""Let a model declare its positive class."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0011_audit_logins"),
    ]

    operations = [
        migrations.AddField(
            model_name="registeredmodel",
            name="positive_class",
            field=models.TextField(
                blank=True, help_text="The class that every evaluation treats as the positive one of two.", null=True
            ),
        ),
    ]
