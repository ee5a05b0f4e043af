from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("models_registry", "0013_help_texts")]

    operations = [
        migrations.AlterModelOptions(
            name="auditentry",
            options={
                "ordering": ("-timestamp", "-pk"),
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
            },
        ),
    ]
