"""Store the share of examples that the train split has too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0024_slices_append_only"),
    ]

    operations = [
        migrations.AddField(
            model_name="snapshotdetail",
            name="train_overlap",
            field=models.FloatField(
                help_text="The share of the examples that the version's train split has too, from 0 to 1.", null=True
            ),
        ),
    ]
