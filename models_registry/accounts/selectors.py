"""Reads of accounts that writes depend on."""

from models_registry.accounts.models import User
from models_registry.api.lookups import missing_reference


def lock_active_user(username: str) -> User:
    """Return the active user of that name, who cannot be deleted until the transaction ends.

    Raises `InvalidBodyError` if there is none.
    """
    user = User.objects.select_for_update(no_key=True).filter(username=username, is_active=True).first()
    if user is None:
        raise missing_reference("username", f"There is no active user {username[:40]!r}.")
    return user
