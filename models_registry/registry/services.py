"""Writes to registered models, their grants and their versions."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypedDict, Unpack

from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from models_registry import task_types
from models_registry.accounts.models import ModelGrant, Organization, User
from models_registry.api.errors import ConflictError, InvalidBodyError
from models_registry.api.writes import refusing_duplicates, save_changes
from models_registry.registry import ids
from models_registry.registry.errors import ModelExistsError
from models_registry.registry.locks import lock_unarchived, refuse_archived
from models_registry.registry.models import RegisteredModel, Version

# Sent with `model`, whose row is locked, before its positive class changes. A receiver may raise `ConflictError`.
positive_class_changing = Signal()


class ModelContent(TypedDict, total=False):
    """The fields of a new model that may be left out."""

    task_type: str
    description: str
    tags: list[str]
    positive_class: str | None


class ModelUpdate(TypedDict, total=False):
    """The fields of a model that can change."""

    name: str
    description: str
    tags: list[str]
    positive_class: str | None


class VersionContent(TypedDict, total=False):
    """The fields of a new version that may be left out."""

    description: str
    source_uri: str
    parameters: dict[str, object]
    tags: list[str]


class VersionUpdate(TypedDict, total=False):
    """The fields of a version that can change."""

    state: str
    description: str
    tags: list[str]


def register_model(
    *, organization: Organization, name: str, created_by: User | None, **content: Unpack[ModelContent]
) -> RegisteredModel:
    """Create a model.

    Raises `InvalidBodyError` if a model without classes would have a positive one, and `ModelExistsError` if the
    organization already has a model of that name.
    """
    _check_positive_class(content["task_type"], content.get("positive_class"))
    with _refusing_repeated_name(organization, name):
        return RegisteredModel.objects.create(organization=organization, name=name, created_by=created_by, **content)


def get_or_register_model(
    *, organization: Organization, name: str, created_by: User | None, **content: Unpack[ModelContent]
) -> tuple[RegisteredModel, bool]:
    """Return the organization's model of this name, and whether it was created.

    An existing model is returned unchanged. Raises `InvalidBodyError` as `register_model` does, and `ModelExistsError`
    if the existing model has another task type.
    """
    models = RegisteredModel.objects.filter(organization=organization, name=name)
    model = models.first()
    if model is None:
        with suppress(ModelExistsError):  # another request has just created it
            return register_model(organization=organization, name=name, created_by=created_by, **content), True
        model = models.get()
    if model.task_type != content["task_type"]:
        detail = f"{model.pk} has the task type {model.task_type}, which cannot change. Choose another name."
        raise ModelExistsError(detail, model.pk)
    return model, False


def update_model(*, model: RegisteredModel, **changes: Unpack[ModelUpdate]) -> RegisteredModel:
    """Update a model. The caller must have locked the model's row.

    Raises `ConflictError` if the model is archived, or if metrics were computed with another positive class, and
    `ModelExistsError` if the organization has another model of that name.
    """
    refuse_archived(model)
    if "positive_class" in changes:
        check_positive_class_change(model, changes["positive_class"])
    with _refusing_repeated_name(model.organization, changes.get("name", model.name)):
        return save_changes(model, **changes)


def check_positive_class_change(model: RegisteredModel, positive_class: str | None) -> None:
    """Check that a model may have this positive class from now on. The caller must have locked the model's row.

    Raises `InvalidBodyError` if it has no classes, and `ConflictError` if metrics were computed with another one.
    """
    _check_positive_class(model.task_type, positive_class)
    if positive_class != model.positive_class:
        positive_class_changing.send(RegisteredModel, model=model)


def _check_positive_class(task_type: str, positive_class: str | None) -> None:
    if positive_class is not None and not task_types.get(task_type).has_classes:
        message = f"Models of {task_type} have no classes."
        raise InvalidBodyError(f"{message} Leave out `positive_class`.", [("positive_class", "not_available", message)])


def archive_model(*, model: RegisteredModel) -> None:
    """Archive a model permanently, unless it is archived already. The caller must have locked the model's row."""
    if model.archived_at is None:
        save_changes(model, archived_at=timezone.now())


@transaction.atomic
def grant(*, model: RegisteredModel, user: User, scope: str) -> ModelGrant:
    """Grant a user a scope on one model. Raises `ConflictError` for a repeated grant or an archived model."""
    lock_unarchived(model)
    with refusing_duplicates(f"{user.username} has {scope} on {model.pk} already."):
        return ModelGrant.objects.create(model=model, user=user, scope=scope)


def revoke_grant(*, grant: ModelGrant) -> None:
    """Delete a grant, even on an archived model, so that the user can no longer read it."""
    grant.delete()


@transaction.atomic
def create_version(*, model: RegisteredModel, created_by: User | None, **content: Unpack[VersionContent]) -> Version:
    """Create a model's next version, in training.

    Numbers have no gaps, even if several requests create versions at once. Raises `ConflictError` if the model is
    archived or has used all its version ids.
    """
    locked = lock_unarchived(model)
    numbers = Version.objects.filter(model=locked).newest_first().values_list("number", flat=True)
    newest = numbers.first() or 0
    if newest == ids.MAX_VERSION_NUMBER:
        raise ConflictError(f"{model.pk} has used all its version ids. Register another model.")
    return Version.objects.create(model=locked, number=newest + 1, created_by=created_by, **content)


def update_version(*, version: Version, **changes: Unpack[VersionUpdate]) -> Version:
    """Update a version. The caller must have locked the model's row.

    Raises `ConflictError` if the model is archived, or if the version is already in another final state.
    """
    refuse_archived(version.model)
    state = changes.get("state", version.state)
    if state != version.state:
        if version.state != Version.State.TRAINING:
            raise ConflictError(f"{version.version_id} is {version.state}, which is final; it cannot become {state}.")
        if state == Version.State.COMPLETED:
            return save_changes(version, **changes, completed_at=timezone.now())
    return save_changes(version, **changes)


@contextmanager
def _refusing_repeated_name(organization: Organization, name: str) -> Iterator[None]:
    """Raise `ModelExistsError` if a write inside the block would give two models of an organization one name."""
    try:
        with refusing_duplicates(f"The organization has a model {name!r} already. Choose another name."):
            yield
    except ConflictError as error:
        existing = RegisteredModel.objects.filter(organization=organization, name=name).first()
        raise ModelExistsError(error.detail, existing and existing.pk) from None
