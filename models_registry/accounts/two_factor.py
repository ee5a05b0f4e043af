"""Whether a person must log in with a second factor."""

from django.conf import settings

from models_registry.accounts.models import User


def needs_more_than_password(user: User) -> bool:
    """Return whether a password alone must open nothing to this user."""
    return user.has_second_factor or must_have_two_factor(user)


def must_have_two_factor(user: User) -> bool:
    """Return whether the operator requires a second factor of this user when they log in with a password."""
    is_privileged = user.is_staff or user.is_superuser
    return settings.REQUIRE_TWO_FACTOR == "everyone" or settings.REQUIRE_TWO_FACTOR == "staff" and is_privileged
