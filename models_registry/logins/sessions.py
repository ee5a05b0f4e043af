"""What a session knows about how its person logged in."""

from allauth.account.internal.flows.login import get_authentication_records
from django.http import HttpRequest
from django.urls import reverse

from models_registry.accounts.models import User
from models_registry.accounts.two_factor import must_have_two_factor


def owes_code(request: HttpRequest) -> bool:
    """Return whether this session must still prove the user's second factor.

    Only the present app and recovery codes count. A session may have proven an app that was removed since.
    """
    user = request.user
    if not isinstance(user, User) or not user.has_second_factor:
        return False
    return proven_factors(request).isdisjoint({user.authenticator_app_id, user.recovery_codes_id})


def proven_factors(request: HttpRequest) -> set[int]:
    """Return the ids of the authenticators that this session has proven, also of those that were removed since."""
    records = get_authentication_records(request, request.user)
    return {record["id"] for record in records if record["method"] == "mfa"}


def must_set_up_factor(request: HttpRequest) -> bool:
    """Return whether the caller must have a second factor, and has none.

    The OpenID provider is responsible for the second factors of those who log in there.
    """
    user = request.user
    is_obliged = isinstance(user, User) and must_have_two_factor(user) and not user.has_second_factor
    return is_obliged and "socialaccount" not in _methods(request)


def code_page(request: HttpRequest) -> str:
    """Return the address where the caller proves the second factor, and then comes back."""
    return reverse("mfa_reauthenticate", query={"next": request.get_full_path()})


def _methods(request: HttpRequest) -> set[str]:
    return {record["method"] for record in get_authentication_records(request, request.user)}
