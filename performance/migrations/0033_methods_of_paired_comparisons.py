"""Which methods computed a paired comparison. Those that are stored are computed again when they are needed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0032_constraint_messages"),
    ]

    operations = [
        migrations.AddField(
            model_name="pairedcomparison",
            name="methods",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="The revision of the methods that computed it; 0 is older than any."
            ),
        ),
    ]
