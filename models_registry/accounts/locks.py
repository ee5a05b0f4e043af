"""Locks on organizations."""

from models_registry.accounts.models import Organization


def lock_organization(organization_id: int) -> None:
    """Lock an organization's row until the transaction ends, so that simultaneous requests cannot exceed a limit.

    If a transaction also locks a model's row, it must lock the model's row first.
    """
    Organization.objects.select_for_update(no_key=True).only("pk").get(pk=organization_id)
