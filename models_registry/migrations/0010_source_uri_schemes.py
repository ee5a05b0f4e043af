"""Where a version comes from is a URI of a known scheme. Nothing in the database changes."""

from django.db import migrations, models

from models_registry.registry.validators import validate_source_uri


class Migration(migrations.Migration):
    dependencies = [
        ("models_registry", "0009_audit_trail_retention"),
    ]

    operations = [
        migrations.AlterField(
            model_name="version",
            name="source_uri",
            field=models.CharField(
                blank=True,
                help_text="Where the trained artefact or its code is.",
                max_length=2000,
                validators=[validate_source_uri],
            ),
        ),
    ]
