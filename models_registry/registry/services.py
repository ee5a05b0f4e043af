"""Registered models, the grants on them, and their versions."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from models_registry.accounts.models import ModelGrant, Organization, User
from models_registry.api.errors import ConflictError
from models_registry.api.writes import refusing_duplicates, save_changes
from models_registry.registry import ids
from models_registry.registry.locks import lock_unarchived, refuse_archived
from models_registry.registry.models import RegisteredModel, Version


def register_model(*, organization: Organization, name: str, created_by: User, **content: Any) -> RegisteredModel:
    """Store a model. `content` may hold task_type, description and tags.

    Raises `ConflictError` when the organization has a model of that name.
    """
    with refusing_duplicates(_name_taken(name)):
        return RegisteredModel.objects.create(organization=organization, name=name, created_by=created_by, **content)


def update_model(*, model: RegisteredModel, **changes: Any) -> RegisteredModel:
    """Change a model's name, description or tags; the caller holds the lock of its row.

    Raises `ConflictError` when the model is archived, or the organization has another of that name.
    """
    refuse_archived(model)
    with refusing_duplicates(_name_taken(changes.get("name", model.name))):
        return save_changes(model, **changes)


def archive_model(*, model: RegisteredModel) -> None:
    """Archive a model for good; the caller holds the lock of its row. Archiving it again changes nothing."""
    if model.archived_at is None:
        save_changes(model, archived_at=timezone.now())


@transaction.atomic
def grant(*, model: RegisteredModel, user: User, scope: str) -> ModelGrant:
    """Give a user a scope on one model. Raises `ConflictError` when they have it, or the model is archived."""
    lock_unarchived(model)
    with refusing_duplicates(f"{user.username} has {scope} on {model.pk} already."):
        return ModelGrant.objects.create(model=model, user=user, scope=scope)


def revoke_grant(*, grant: ModelGrant) -> None:
    """Take a grant back, also on an archived model: whoever could read it may no longer."""
    grant.delete()


@transaction.atomic
def create_version(*, model: RegisteredModel, created_by: User, **content: Any) -> Version:
    """Store a model's next version, in training. `content` may hold description, source_uri, parameters and tags.

    Numbers follow each other without a gap, however many versions are created at once. Raises `ConflictError` when the
    model is archived.
    """
    locked = lock_unarchived(model)
    numbers = Version.objects.filter(model=locked).newest_first().values_list("number", flat=True)
    newest = numbers.first() or 0
    if newest == ids.MAX_VERSION_NUMBER:
        raise ConflictError(f"{model.pk} has used all its version ids. Register another model.")
    return Version.objects.create(model=locked, number=newest + 1, created_by=created_by, **content)


def update_version(*, version: Version, **changes: Any) -> Version:
    """Change a version's description, tags or state; the caller holds the lock of its model's row.

    Raises `ConflictError` when the model is archived, or the version is in another final state already.
    """
    refuse_archived(version.model)
    state = changes.get("state", version.state)
    if state != version.state:
        if version.state != Version.State.TRAINING:
            raise ConflictError(f"{version.version_id} is {version.state}, which is final; it cannot become {state}.")
        if state == Version.State.COMPLETED:
            changes["completed_at"] = timezone.now()
    return save_changes(version, **changes)


def _name_taken(name: str) -> str:
    return f"The organization has a model {name!r} already. Choose another name."
