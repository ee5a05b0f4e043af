"""When a webhook that keeps failing is tried again, and which webhook is being sent a message."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0015_comparison_jobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="webhook",
            name="consecutive_failures",
            field=models.PositiveIntegerField(
                db_default=0, default=0, editable=False, help_text="Attempts that failed since the last success."
            ),
        ),
        migrations.AddField(
            model_name="webhook",
            name="paused_until",
            field=models.DateTimeField(
                editable=False, help_text="While attempts fail: when the next one may be made.", null=True
            ),
        ),
        migrations.AddField(
            model_name="webhook",
            name="sending_until",
            field=models.DateTimeField(
                editable=False,
                help_text="When the lease of the attempt under way ends, or when the last one ended.",
                null=True,
            ),
        ),
    ]
