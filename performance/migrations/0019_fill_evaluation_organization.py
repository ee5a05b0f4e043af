"""Say whose the queued and running evaluations are."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import OuterRef, Subquery


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    jobs = apps.get_model("performance", "EvaluationJob")._default_manager.using(schema_editor.connection.alias)
    versions = apps.get_model("models_registry", "Version")._default_manager.filter(pk=OuterRef("version"))
    owner = Subquery(versions.values("model__organization")[:1])
    jobs.filter(finished_at=None, organization=None).update(organization=owner)


class Migration(migrations.Migration):
    dependencies = [
        ("performance", "0018_attribute_names"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
