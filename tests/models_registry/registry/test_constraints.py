"""Invariants that the database enforces for every write."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from models_registry.accounts.models import Membership, ModelGrant, Organization, User
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.promotions import promote
from tests.factories import completed_version

pytestmark = pytest.mark.every_case


def refused(write: Callable[[], Any]) -> None:
    """Assert that the database refuses a write, at once or when the transaction ends."""

    def write_and_check() -> None:
        with transaction.atomic():
            write()
            connection.check_constraints()

    with pytest.raises(DatabaseError):
        write_and_check()


def test_a_promoted_version_is_a_version_of_that_model(model: RegisteredModel, empty_model: RegisteredModel) -> None:
    foreign = completed_version(empty_model, number=1)

    refused(lambda: RegisteredModel.objects.filter(pk=model.pk).update(promoted_version=foreign))
    refused(
        lambda: RegisteredModel.objects.create(
            organization=model.organization, name="new", task_type="regression", promoted_version=foreign
        )
    )


def test_a_version_cannot_move_to_another_model(model: RegisteredModel, empty_model: RegisteredModel) -> None:
    refused(lambda: Version.objects.filter(model=model).update(model=empty_model))


def test_a_promotion_names_a_version_of_its_model(model: RegisteredModel, empty_model: RegisteredModel) -> None:
    own, foreign = completed_version(model, number=1), completed_version(empty_model, number=1)

    refused(lambda: Promotion.objects.create(model=model, version=foreign))
    refused(lambda: Promotion.objects.create(model=model, version=own, previous_version=foreign))


def test_a_promoted_version_cannot_be_deleted(model: RegisteredModel) -> None:
    with connection.cursor() as cursor:
        refused(lambda: cursor.execute("DELETE FROM models_registry_version WHERE number = 417"))


def test_a_promotion_replaces_the_one_before_and_leaves_a_row_of_history(model: RegisteredModel, editor: User) -> None:
    first = Version.objects.get(model=model)
    second = completed_version(model, number=418)

    promotion = promote(version=second, promoted_by=editor, reason="better recall")
    assert isinstance(promotion, Promotion)

    model.refresh_from_db()
    assert model.promoted_version == second
    assert (promotion.previous_version, promotion.promoted_by, promotion.reason) == (first, editor, "better recall")
    assert model.promotions.count() == 2


@pytest.mark.parametrize("number", [0, -1])
def test_version_numbers_start_at_1(model: RegisteredModel, number: int) -> None:
    refused(lambda: Version.objects.create(model=model, number=number))


def test_version_numbers_are_unique_within_a_model(model: RegisteredModel, empty_model: RegisteredModel) -> None:
    completed_version(empty_model, number=417)

    refused(lambda: Version.objects.create(model=model, number=417))


def test_a_version_has_a_time_of_completion_if_and_only_if_it_is_completed(model: RegisteredModel) -> None:
    refused(lambda: Version.objects.create(model=model, number=1, state="completed"))
    refused(lambda: Version.objects.create(model=model, number=1, state="failed", completed_at=timezone.now()))
    refused(lambda: Version.objects.create(model=model, number=1, completed_at=timezone.now()))


def test_unknown_states_roles_scopes_and_splits_are_refused(model: RegisteredModel, viewer: User) -> None:
    version = Version.objects.get(model=model)

    refused(lambda: Version.objects.create(model=model, number=1, state="paused"))
    refused(lambda: Membership.objects.filter(user=viewer).update(role="owner"))
    refused(lambda: ModelGrant.objects.create(model=model, user=viewer, scope="organization:admin"))
    refused(lambda: version.snapshots.create(dataset_split="holdout", metrics={}, evaluated_at=timezone.now()))


def test_names_and_ids_are_unique(model: RegisteredModel, viewer: User) -> None:
    acme = model.organization

    refused(lambda: RegisteredModel.objects.create(organization=acme, name="churn", task_type="regression"))
    refused(
        lambda: RegisteredModel.objects.create(
            model_id=model.pk, organization=acme, name="other", task_type="regression"
        )
    )
    refused(lambda: Organization.objects.create(slug="acme", name="Another"))
    refused(lambda: Membership.objects.create(organization=acme, user=viewer, role="admin"))


@pytest.mark.parametrize("model_id", ["mdl-7F3A19BC92", "churn", "mdl-7f3a19bc9", "mdl-7f3a19bc9z", "mdl-7f3a19bc92\n"])
def test_a_malformed_model_id_is_refused(acme: Organization, model_id: str) -> None:
    refused(
        lambda: RegisteredModel.objects.create(model_id=model_id, organization=acme, name="x", task_type="regression")
    )


def test_new_model_ids_are_random_and_well_formed(acme: Organization) -> None:
    models = [
        RegisteredModel.objects.create(organization=acme, name=f"m{number}", task_type="regression")
        for number in range(50)
    ]

    assert len({model.pk for model in models}) == 50
    for model in models:
        model.full_clean()


def test_a_snapshot_never_changes(model: RegisteredModel) -> None:
    snapshots = Version.objects.get(model=model).snapshots

    refused(lambda: snapshots.update(metrics={"accuracy": 1.0}))
    assert snapshots.get().metrics["accuracy"] == 0.9341


def test_a_snapshot_is_never_deleted(model: RegisteredModel) -> None:
    snapshots = Version.objects.get(model=model).snapshots

    refused(snapshots.all().delete)
    assert snapshots.count() == 1


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_sqlite_replaces_no_snapshot(model: RegisteredModel) -> None:
    def replace() -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT OR REPLACE INTO performance_metricsnapshot SELECT * FROM performance_metricsnapshot")

    refused(replace)


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_sqlite_keeps_all_triggers_through_the_migrations(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'")
        assert cursor.fetchone() == (31,)


@pytest.mark.parametrize(
    ("states", "archived", "state"),
    [
        ([], False, "draft"),
        (["failed"], False, "draft"),
        (["training"], False, "training"),
        (["completed", "training"], False, "training"),
        (["completed", "failed"], False, "ready"),
        (["completed", "training"], True, "archived"),
        ([], True, "archived"),
    ],
)
def test_a_models_state_follows_from_its_versions(
    empty_model: RegisteredModel, states: list[str], archived: bool, state: str
) -> None:
    for number, version_state in enumerate(states, 1):
        completed_at = timezone.now() if version_state == "completed" else None
        Version.objects.create(model=empty_model, number=number, state=version_state, completed_at=completed_at)
    RegisteredModel.objects.filter(pk=empty_model.pk).update(archived_at=timezone.now() if archived else None)

    assert RegisteredModel.objects.with_state().get(pk=empty_model.pk).state == state
