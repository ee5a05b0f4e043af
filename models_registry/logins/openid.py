"""Logging in with the OpenID provider of the settings, by authorization code with PKCE.

It needs the extra `openid`, so only requests of this kind import it.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar
from urllib.parse import urlsplit

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from requests import RequestException

from models_registry.api.capacity import Capacity
from models_registry.logins.claims import about_person
from models_registry.logins.configuration import login_provider
from models_registry.logins.provider import is_encrypted_or_local

PROVIDER_THREADS = 2  # of each process, which wait for the provider

_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError)  # what allauth raises for answers of another form

capacity = Capacity(PROVIDER_THREADS, "The service is busy with other logins. Try again in a moment.", waiting=2)


class OpenIDClient(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # the library is untyped
    """Asks the provider. Its answers must be about the configured issuer and about one person."""

    @cached_property
    def openid_config(self) -> dict[str, str]:
        """Return what the provider publishes about itself. Raises `OAuth2Error` if it is not what it must be."""
        try:
            published: object = super().openid_config
        except (RequestException, ValueError) as error:
            raise OAuth2Error("The provider cannot be reached.") from error
        if not isinstance(published, dict) or published.get("issuer") != login_provider().issuer:
            raise OAuth2Error("The provider is another issuer than OIDC_LOGIN_ISSUER.")
        if not all(_is_safe(published.get(name)) for name in _ENDPOINTS):
            raise OAuth2Error("The provider names no addresses with https.")
        return published

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Return the address to which the provider sends the browser back."""
        return request.build_absolute_uri(reverse("openid_connect_callback"))

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: object, **options: Mapping[str, object]
    ) -> SocialLogin:
        """Return the login, with the claims about the person. Raises `OAuth2Error` without an identity token."""
        if not options["response"].get("id_token"):
            raise OAuth2Error("The provider sent no identity token.")
        return super().complete_login(request, app, token, **options)


class OpenIDProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """The provider. Of a person's claims, only what the user's fields hold is stored."""

    oauth2_adapter_class: ClassVar[type[OpenIDClient]] = OpenIDClient

    def sociallogin_from_response(self, request: HttpRequest, response: Mapping[str, object]) -> SocialLogin:
        """Return the login of the person whom the answers are about. Raises `ValueError` if that is unclear."""
        claims = about_person(response)
        login = super().sociallogin_from_response(request, {"id_token": claims})
        login.claims = claims
        return login

    def extract_extra_data(self, data: object) -> dict[str, object]:
        """Return nothing: claims would go stale."""
        return {}


def openid_provider(request: HttpRequest) -> OpenIDProvider:
    """Return the provider of the settings. It has its issuer as id, so that a subject belongs to one issuer."""
    login = login_provider()
    app = SocialApp(
        provider=OpenIDProvider.id,
        provider_id=login.issuer,
        name=login.name,
        client_id=login.client_id,
        secret=login.client_secret,
        settings={"server_url": login.issuer.rstrip("/"), "oauth_pkce_enabled": True, "scope": list(login.scopes)},
    )
    return OpenIDProvider(request, app=app)


def begin(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider."""
    provider = openid_provider(request)
    try:
        with capacity.claim():
            response: HttpResponse = provider.redirect(request, "login", next_url=get_next_redirect_url(request))
    except OAuth2Error as error:
        response = render_authentication_error(request, provider, exception=error)
    return response


def finish(request: HttpRequest) -> HttpResponse:
    """Log the person in who comes back from the provider, or say that it failed."""
    client = OpenIDClient(request, login_provider().issuer)
    try:
        with capacity.claim():
            response: HttpResponse = OAuth2CallbackView.adapter_view(client)(request)
    except (*_MALFORMED, OAuth2Error) as error:
        response = render_authentication_error(request, client.get_provider(), exception=error)
    return response


def _is_safe(address: object) -> bool:
    try:
        return isinstance(address, str) and is_encrypted_or_local(urlsplit(address))
    except ValueError:  # such as an unclosed bracket
        return False
