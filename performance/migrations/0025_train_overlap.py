"""Store how many evaluated examples are in the training data too, and which dataset an upload is of."""

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
        migrations.AddField(
            model_name="evaluationjob",
            name="dataset",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The name of the dataset; empty for the primary one.",
                max_length=100,
            ),
        ),
        migrations.AddField(
            model_name="evaluationjob",
            name="dataset_version",
            field=models.CharField(help_text="The version of the named dataset.", max_length=100, null=True),
        ),
    ]
