"""Writes of second factors."""

from collections.abc import Collection

from allauth.mfa.models import Authenticator
from django.db import transaction

from models_registry.accounts.models import User


@transaction.atomic
def remove_second_factors(*, users: Collection[User]) -> int:
    """Delete the authenticator apps and recovery codes of these users, and return their number.

    Both go, as recovery codes are of no use without an app. The audit trail records each.
    """
    authenticators = [*Authenticator.objects.select_for_update().filter(user__in=users)]
    for authenticator in authenticators:
        authenticator.delete()
    return len(authenticators)
