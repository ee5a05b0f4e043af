"""Locks on organizations."""

from models_registry.accounts.models import Organization


def lock_organization(organization_id: int) -> None:
    """Lock an organization's row until the transaction ends, so that requests cannot exceed a limit together.

    Lock the model's row first if the transaction locks both.
    """
    Organization.objects.select_for_update(no_key=True).only("pk").get(pk=organization_id)
