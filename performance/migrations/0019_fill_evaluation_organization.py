"""Say whose the queued and running evaluations are."""

from typing import Any

from django.db import migrations
from django.db.models import OuterRef, Subquery


def fill(apps: Any, schema_editor: Any) -> None:
    jobs = apps.get_model("performance", "EvaluationJob").objects.using(schema_editor.connection.alias)
    versions = apps.get_model("models_registry", "Version").objects.filter(pk=OuterRef("version"))
    owner = Subquery(versions.values("model__organization")[:1])
    jobs.filter(finished_at=None, organization=None).update(organization=owner)


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0018_attribute_names"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
