"""The names of attributes, once for a snapshot. Examples of before keep them, each its own."""

from django.db import migrations, models

ATTRIBUTES = (
    "What else is known of it: values in the order of the detail's `attribute_names`; older rows have an object, by "
    "name."
)


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0017_evaluation_organization"),
    ]

    operations = [
        migrations.AddField(
            model_name="snapshotdetail",
            name="attribute_names",
            field=models.JSONField(help_text="Names of the attributes of the worst examples, in order.", null=True),
        ),
        migrations.AlterField(
            model_name="misclassifiedexample",
            name="attributes",
            field=models.JSONField(default=dict, help_text=ATTRIBUTES),
        ),
        migrations.AlterField(
            model_name="residualexample",
            name="attributes",
            field=models.JSONField(default=dict, help_text=ATTRIBUTES),
        ),
    ]
