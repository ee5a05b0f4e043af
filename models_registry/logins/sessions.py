"""What a session knows about how its person logged in."""

from allauth.account.internal.flows.login import get_authentication_records
from django.http import HttpRequest
from django.urls import reverse

from models_registry.accounts.models import User
from models_registry.accounts.two_factor import must_have_two_factor


def owes_code(request: HttpRequest) -> bool:
    """Return whether the caller has a second factor that this session has not proven: it began before."""
    user = request.user
    return isinstance(user, User) and user.has_second_factor and "mfa" not in _methods(request)


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
