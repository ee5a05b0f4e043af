"""The pages of datasets in the admin."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import Dataset, DatasetVersion
from tests.admin_pages import add_url, list_url, logged_in, page_url, rows, text_of
from tests.factories import completed_version, new_user, snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def october(model: RegisteredModel) -> Dataset:
    """A dataset with two versions, and a snapshot that was measured on it."""
    dataset = Dataset.objects.create(
        organization=model.organization, name="<october>", description="Of October.", created_by="ed"
    )
    for version in ("1", "2"):
        DatasetVersion.objects.create(dataset=dataset, version=version, digest=version * 64)
    snapshot(completed_version(model, 418), metrics={"accuracy": 0.5}, dataset="<october>")
    return dataset


def page_text(client: Client, dataset: Dataset) -> str:
    answer = client.get(page_url(dataset))
    assert answer.status_code == 200
    return text_of(answer.content.decode())


def test_the_list_shows_datasets_and_finds_them_by_name(root: Client, october: Dataset) -> None:
    Dataset.objects.create(organization=october.organization, name="september")

    both, found = (rows(root.get(list_url(Dataset), query)) for query in ({}, {"q": "octo"}))

    assert [row.split()[0] for row in both] == ["<october>", "september"]
    assert len(found) == 1
    assert "Acme" in found[0]


def test_the_page_shows_versions_digests_and_the_snapshots_that_used_it(
    root: Client, october: Dataset, model: RegisteredModel
) -> None:
    other = Organization.objects.create(slug="other", name="Other")
    elsewhere = RegisteredModel.objects.create(organization=other, name="elsewhere", task_type="classification")
    snapshot(completed_version(elsewhere, 1), metrics={"accuracy": 0.5}, dataset="<october>")

    text = page_text(root, october)

    assert "<october>" in text
    assert "Of October." in text
    assert text.index("2" * 64) < text.index("1" * 64)
    assert f"{model} ver-001a2 test at 2026-03-13 14:22" in text
    assert "elsewhere" not in text
    assert "ver-001a1" not in text  # measured on the primary dataset


def test_the_page_shows_the_newest_snapshots_only(root: Client, october: Dataset, model: RegisteredModel) -> None:
    version = completed_version(model, 419)
    for _ in range(25):
        snapshot(version, metrics={"accuracy": 0.5}, dataset="<october>")

    assert page_text(root, october).count("ver-001a3") == 20


def test_nobody_changes_a_dataset_here(root: Client, october: Dataset) -> None:
    assert root.get(add_url(Dataset)).status_code == 403
    assert root.post(page_url(october), {"name": "april"}).status_code == 403


@pytest.mark.parametrize(("seen", "shown"), [(["dataset"], False), (["dataset", "metricsnapshot"], True)])
def test_only_those_who_may_see_snapshots_see_them_here(october: Dataset, seen: list[str], shown: bool) -> None:
    staff: Any = new_user("sam")
    staff.is_staff = True
    staff.save()
    permissions = Permission.objects.filter(codename__in=[f"view_{name}" for name in seen])
    staff.user_permissions.set(permissions)

    assert ("ver-001a2" in page_text(logged_in(staff), october)) is shown


def test_staff_without_the_permission_see_no_dataset(october: Dataset) -> None:
    staff: Any = new_user("sam")
    staff.is_staff = True
    staff.save()

    assert logged_in(staff).get(page_url(october)).status_code == 403
    assert logged_in(staff).get(list_url(Dataset)).status_code == 403
