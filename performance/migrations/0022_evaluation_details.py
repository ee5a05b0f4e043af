"""Store what the report says of an evaluation beside its metrics. Database defaults serve the release before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0021_attributes_by_name"),
    ]

    operations = [
        migrations.AddField(
            model_name="snapshotdetail",
            name="effective_sample_size",
            field=models.FloatField(
                help_text="The number of unweighted, independent examples that tell as much.", null=True
            ),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="evaluation_options",
            field=models.JSONField(
                db_default={}, default=dict, help_text="What the evaluation was asked for or chose."
            ),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="examples_digest",
            field=models.CharField(
                help_text="The SHA-256 of the examples, whatever is predicted.", max_length=64, null=True
            ),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="intervals_unavailable",
            field=models.JSONField(db_default={}, default=dict, help_text="Why a metric has no interval, by metric."),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="metrics_unavailable",
            field=models.JSONField(db_default={}, default=dict, help_text="Why a metric has no value, by metric."),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="missing_fraction",
            field=models.FloatField(help_text="The share of rows without a prediction, from 0 to 1.", null=True),
        ),
        migrations.AddField(
            model_name="snapshotdetail",
            name="warnings",
            field=models.JSONField(db_default=[], default=list, help_text="`code` and `detail` of each."),
        ),
    ]
