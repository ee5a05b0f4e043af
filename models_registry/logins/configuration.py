"""The OpenID provider of the settings."""

from django.conf import settings
from django.http import Http404

from models_registry.logins.provider import LoginProvider


def login_provider() -> LoginProvider:
    """Return the provider. Raises `Http404` if there is none."""
    provider: LoginProvider | None = settings.OIDC_LOGIN
    if provider is None:
        raise Http404
    return provider
