"""What a session knows about how its person logged in."""

from allauth.account.internal.flows.login import get_authentication_records
from django.http import HttpRequest
from django.urls import reverse

from models_registry.accounts.models import User
from models_registry.accounts.two_factor import has_two_factor, must_have_two_factor


def lacks_two_factor(request: HttpRequest) -> bool:
    """Return whether the caller logged in with a password alone, although they must have a second factor.

    A session from before they had one has not proven it. Who logs in with the OpenID provider is its responsibility.
    """
    user = request.user
    if not isinstance(user, User) or not must_have_two_factor(user):
        return False
    methods = _methods(request)
    return "socialaccount" not in methods and not ("mfa" in methods and has_two_factor(user))


def owes_code(request: HttpRequest) -> bool:
    """Return whether the caller has a second factor that this session has not proven: it began before."""
    user = request.user
    return isinstance(user, User) and has_two_factor(user) and "mfa" not in _methods(request)


def second_factor_page(request: HttpRequest) -> str:
    """Return the address where the caller proves the second factor and then comes back, or where they set one up."""
    if owes_code(request):
        return reverse("mfa_reauthenticate", query={"next": request.get_full_path()})
    return reverse("mfa_index")


def _methods(request: HttpRequest) -> set[str]:
    return {record["method"] for record in get_authentication_records(request, request.user)}
