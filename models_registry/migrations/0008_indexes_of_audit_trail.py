"""Indexes by which the lists, the search and the purge of the audit trail stay fast, and the purge of logins."""

from django.db import migrations, models

from models_registry.db.migration_operations import AddIndexWhileServing, RemoveIndexWhileServing


class Migration(migrations.Migration):
    atomic = False  # as indexes are added and removed without a lock on its table

    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        ("models_registry", "0007_indexes_of_lists"),
    ]

    operations = [
        AddIndexWhileServing(
            model_name="auditentry",
            index=models.Index(fields=["object_pk", "content_type", "-timestamp"], name="audit_by_record_key"),
        ),
        RemoveIndexWhileServing(model_name="auditentry", name="audit_by_record"),
        AddIndexWhileServing(
            model_name="auditentry",
            index=models.Index(fields=["object_repr", "-timestamp"], name="audit_by_record_name"),
        ),
        AddIndexWhileServing(
            model_name="auditentry",
            index=models.Index(fields=["content_type", "-timestamp"], name="audit_by_kind"),
        ),
        AddIndexWhileServing(
            model_name="auditentry",
            index=models.Index(fields=["actor_name", "-timestamp"], name="audit_by_actor_name"),
        ),
        AddIndexWhileServing(
            model_name="auditentry",
            index=models.Index(
                fields=["path", "-timestamp"],
                name="audit_by_path",
                opclasses=["varchar_pattern_ops", "timestamptz_ops"],
            ),
        ),
        AddIndexWhileServing(
            model_name="auditentry",
            index=models.Index(fields=["action", "-timestamp"], name="audit_by_action"),
        ),
        AddIndexWhileServing(
            model_name="auditentry",
            index=models.Index(fields=["code", "-timestamp"], name="audit_by_code"),
        ),
        AddIndexWhileServing(
            model_name="tokenfamily",
            index=models.Index(fields=["expires_at"], name="token_family_by_expiry"),
        ),
    ]
