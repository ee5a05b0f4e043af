"""Declare the datasets that snapshots are of."""

from collections.abc import Iterable

from django.db import transaction

from models_registry.accounts.models import Organization, User
from models_registry.api.writes import refusing_duplicates
from models_registry.registry.models import Version
from performance.snapshots.models import Dataset, DatasetVersion


@transaction.atomic
def create_dataset(*, organization: Organization, name: str, created_by: User, description: str = "") -> Dataset:
    """Declare a dataset. Raises `ConflictError` if the organization has one of that name."""
    with refusing_duplicates(f"{organization.slug} has a dataset {name!r} already. Choose another name."):
        return Dataset.objects.create(
            organization=organization, name=name, description=description, created_by=created_by.username
        )


def record_datasets(version: Version, named: Iterable[tuple[str, str | None, str | None]], *, created_by: str) -> None:
    """Declare the datasets that snapshots of a version name, and store their versions and digests, unless they are.

    Args:
        version: the version that the snapshots are of.
        named: the name, the version and the digest of each. The primary dataset, whose name is empty, needs none.
        created_by: the name of the user who declares them.
    """
    for name, dataset_version, digest in sorted(set(named), key=str):  # in one order, so that no two writers block
        if not name:
            continue
        dataset, _ = Dataset.objects.get_or_create(
            organization_id=version.model.organization_id, name=name, defaults={"created_by": created_by}
        )
        if dataset_version or digest:
            DatasetVersion.objects.get_or_create(dataset=dataset, version=dataset_version or "", digest=digest or "")
