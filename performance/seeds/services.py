"""Store a validated seed document. Loading it again changes nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from models_registry.accounts.models import Membership, ModelGrant, Organization, User
from models_registry.api.errors import APIError, InvalidBodyError
from models_registry.audit.recorder import record_added
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.services import check_positive_class_change
from performance.seeds.document import ModelValues, SeedError, SnapshotValues, VersionValues
from performance.seeds.files import SeedDocument
from performance.seeds.gates import judge_newest, load_policy, load_promotions, promote_version
from performance.seeds.predictions import load_predictions
from performance.snapshots.datasets import record_datasets
from performance.snapshots.models import Source
from performance.snapshots.services import Report, check_report, insert_reports

BATCH = 1000

SnapshotKey = tuple[str, str, datetime, int | None, tuple[tuple[str, float], ...]]


@transaction.atomic
def load_document(
    document: SeedDocument,
    *,
    on_model: Callable[[], object] = lambda: None,
    keep_changes: bool = False,
    dry_run: bool = False,
) -> list[str]:
    """Store the parts of the document that the database does not have, and return the ids of the document's models.

    Values that may change are updated: names, descriptions, roles, the promoted version, the state of a version
    whose training has ended, and the policy. With `keep_changes`, a model keeps its promoted version and its policy.
    `on_model` is called after each model. Raises `SeedError` if the document is refused or contradicts the database;
    then, and in a `dry_run`, nothing is stored.
    """
    for user in document.users:
        _load_user(**user)
    for organization in document.organizations:
        _load_organization(**organization)
    loaded = []
    for position, model in enumerate(document.models()):
        _load_model(f"models.{position}", model, document.path.parent, keep_changes=keep_changes, dry_run=dry_run)
        loaded.append(model["model_id"])
        on_model()
    transaction.set_rollback(dry_run)
    return loaded


def _load_user(*, username: str, superuser: bool, password: str | None = None) -> None:
    user = User.objects.filter(username=username).first()
    if user is None:
        User.objects.create_user(username, password=password, is_superuser=superuser, is_staff=superuser)
    elif superuser and user.is_service_account:
        raise SeedError(f"users: {username} is a service account, which cannot be a superuser")
    elif user.is_superuser != superuser:
        user.is_superuser = user.is_staff = superuser
        user.save(update_fields=["is_superuser", "is_staff"])


def _load_organization(*, slug: str, name: str, members: dict[str, str]) -> None:
    organization, _ = Organization.objects.update_or_create(slug=slug, defaults={"name": name})
    for username, role in members.items():
        user = _user(username, f"organizations.{slug}.members")
        Membership.objects.update_or_create(organization=organization, user=user, defaults={"role": role})


def _load_model(path: str, document: ModelValues, folder: Path, *, keep_changes: bool, dry_run: bool) -> None:
    model = _load_registration(path, document)
    for username, scopes in document["grants"].items():
        user = _user(username, f"{path}.grants")
        for scope in scopes:
            ModelGrant.objects.get_or_create(model=model, user=user, scope=scope)
    versions = {version.number: version for version in model.versions.all()}
    for position, item in enumerate(document["versions"]):
        number = ids.version_number(item["version_id"])
        where = f"{path}.versions.{position}"
        versions[number] = _load_version(where, model, versions.get(number), item)
        versions[number].model = model
        snapshots = [(f"{where}.snapshots.{index}", snapshot) for index, snapshot in enumerate(item["snapshots"])]
        _load_snapshots(versions[number], [pair for pair in snapshots if "predictions" not in pair[1]])
        for place, snapshot in snapshots:
            if "predictions" in snapshot:
                file = folder / snapshot["predictions"]
                load_predictions(place, versions[number], file, snapshot, store=not dry_run)
    _load_gate(path, model, versions, document, keep_changes=keep_changes)
    if document["archived"] and model.archived_at is None:
        model.archived_at = timezone.now()
        model.save(update_fields=["archived_at"])


def _load_gate(
    path: str, model: RegisteredModel, versions: Mapping[int, Version], document: ModelValues, *, keep_changes: bool
) -> None:
    """Store the policy, then the promotions, which it may refuse, then the verdict of a new policy."""
    given = document.get("gate_policy")
    is_new = given is not None and load_policy(path, model, given["policy"], keep=keep_changes)
    if not model.promotions.exists():
        load_promotions(path, versions, document["promotions"])
    promoted = document.get("promoted")
    if promoted and not (keep_changes and model.promoted_version_id):
        version = versions[ids.version_number(promoted)]
        if model.promoted_version_id != version.pk:
            promote_version(f"{path}.promoted", version, "seeded")
    if is_new:
        judge_newest(model)


def _load_registration(path: str, document: ModelValues) -> RegisteredModel:
    organization = Organization.objects.filter(slug=document["organization"]).first()
    if organization is None:
        raise SeedError(f"{path}.organization: there is no organization {document['organization']}")
    same_name = RegisteredModel.objects.filter(organization=organization, name=document["name"])
    if same_name.exclude(pk=document["model_id"]).exists():
        raise SeedError(f"{path}.name: {organization.slug} has another model of the name {document['name']}")
    model = RegisteredModel.objects.select_for_update().filter(pk=document["model_id"]).first() or RegisteredModel(
        model_id=document["model_id"], organization=organization, task_type=document["task_type"]
    )
    if (model.organization_id, model.task_type) != (organization.pk, document["task_type"]):
        raise SeedError(f"{path}: {model.pk} is registered already, with another organization or task type")
    values: dict[str, object] = {"name": document["name"], "description": document["description"]}
    if "positive_class" in document:
        values["positive_class"] = document["positive_class"]
        try:
            check_positive_class_change(model, document["positive_class"])
        except APIError as error:
            raise SeedError(f"{path}.positive_class: {error.detail}") from None
    return _save_if_changed(model, **values)


def _save_if_changed(model: RegisteredModel, **values: object) -> RegisteredModel:
    changed = [name for name, value in values.items() if getattr(model, name) != value]
    for name in changed:
        setattr(model, name, values[name])
    if model._state.adding:
        model.save()
    elif changed:
        model.save(update_fields=changed)
    return model


def _load_version(path: str, model: RegisteredModel, version: Version | None, item: VersionValues) -> Version:
    if version is None:
        return Version.objects.create(
            model=model,
            number=ids.version_number(item["version_id"]),
            state=item["state"],
            created_at=item.get("created_at") or timezone.now(),
            completed_at=item.get("completed_at"),
        )
    if version.state == Version.State.TRAINING != item["state"]:
        version.state, version.completed_at = item["state"], item.get("completed_at")
        version.save(update_fields=["state", "completed_at"])
    elif version.state != item["state"]:
        raise SeedError(f"{path}.state: {version.version_id} is {version.state} already, which is final")
    return version


def _load_snapshots(version: Version, items: Sequence[tuple[str, SnapshotValues]]) -> None:
    """Add the snapshots that are not stored yet. A stored snapshot is never changed.

    `items` has the place of each in the document. What follows from the metrics is stored as if they were reported.
    """
    record_datasets(version, ((item.get("dataset", ""), None, None) for _, item in items), created_by="")
    stored = {_snapshot_key(**values) for values in version.snapshots.values(*_KEY_FIELDS).iterator()}
    before = len(stored)
    for start in range(0, len(items), BATCH):
        batch = {_snapshot_key(**_key_values(item)): (place, item) for place, item in items[start : start + BATCH]}
        new = {key: each for key, each in batch.items() if key not in stored}
        reports = [_check_snapshot(place, version.model, item) for place, item in new.values()]
        insert_reports(version, reports, source=Source.IMPORTED, created_by="")
        stored.update(new)
    record_added(version, "snapshots", before, len(stored))


def _check_snapshot(place: str, model: RegisteredModel, item: SnapshotValues) -> Report:
    try:
        return check_report(model=model, **_key_values(item) | {"dataset": {"name": item.get("dataset", "")}})
    except InvalidBodyError as error:
        raise SeedError("\n".join(f"{place}.{field}: {reason}" for field, _, reason in error.errors)) from None


def _key_values(item: SnapshotValues) -> dict[str, Any]:
    return {name: item.get(name) for name in _KEY_FIELDS} | {"dataset": item.get("dataset", "")}


def _snapshot_key(
    *, dataset_split: str, dataset: str, evaluated_at: datetime, metrics: dict[str, float], sample_count: int | None
) -> SnapshotKey:
    return dataset_split, dataset, evaluated_at, sample_count, tuple(sorted(metrics.items()))


def _user(username: str, path: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        raise SeedError(f"{path}: there is no user {username}")
    return user


_KEY_FIELDS = ("dataset_split", "dataset", "evaluated_at", "metrics", "sample_count")
