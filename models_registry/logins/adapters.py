"""What allauth asks of the service: who may log in, what is shown, and how secrets are stored."""

import logging
from typing import TYPE_CHECKING

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.utils import generate_unique_username
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from models_registry.accounts.models import User
from models_registry.api.client_address import client_address
from models_registry.audit.context import escape_controls
from models_registry.logins.claims import groups_of
from models_registry.logins.configuration import login_provider
from models_registry.logins.encryption import decrypt, encrypt
from models_registry.logins.pages import refusal
from models_registry.logins.roles import follow_groups

if TYPE_CHECKING:
    from allauth.socialaccount.models import SocialLogin
    from requests import Session

log = logging.getLogger(__name__)

MAX_LOGGED = 300  # characters of a failure at the provider

NO_ACCOUNT = "Your account there has no account here. Ask an administrator of this service to make one for you."
NOT_ACTIVE = "Your account here is not active. Ask an administrator of this service."
FAILED = "The login with {name} failed. Try again. If it fails again, tell an administrator of this service."


def may_log_in(user: User) -> bool:
    """Return whether a user is an active person."""
    return user.is_active and not user.is_service_account


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # the library is untyped
    """Lets active people in. Nobody can make an account for themselves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return `False`."""
        return False

    def pre_login(self, request: HttpRequest, user: User, **options: object) -> HttpResponse | None:
        """Return a refusal if the user may not log in."""
        return None if may_log_in(user) else refusal(request, NOT_ACTIVE)

    def login(self, request: HttpRequest, user: User) -> None:
        """Start the session, unless the user was deactivated since the first step. Then raise the refusal."""
        if not may_log_in(user):
            raise ImmediateHttpResponse(refusal(request, NOT_ACTIVE))
        super().login(request, user)

    def is_safe_url(self, url: str) -> bool:
        """Return whether a page of this host has this address. allauth would lead to all of `ALLOWED_HOSTS`."""
        request: HttpRequest = context.request
        return url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address of the client."""
        return client_address(request)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Encrypts the secrets of second factors."""

    def encrypt(self, text: str) -> str:
        """Return the encrypted text."""
        return encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the text. Raises `UnreadableSecretError` if `SECRET_KEY` was another one."""
        return decrypt(encrypted_text)

    def get_totp_label(self, user: User) -> str:
        """Return the name of the account in an authenticator app."""
        return user.username


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Logs people in by issuer and subject. A user name or an e-mail address never finds an existing account."""

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> object:
        """Return the provider of the settings. Others do not exist."""
        from models_registry.logins.openid import openid_provider  # its packages are an extra

        return openid_provider(request)

    def get_requests_session(self) -> "Session":
        """Return the HTTP session for requests to the provider.

        It follows no redirects: one could lead the client's secret to another host.
        """
        session: Session = super().get_requests_session()
        session.max_redirects = 0
        return session

    def pre_social_login(self, request: HttpRequest, sociallogin: "SocialLogin") -> None:
        """Give an existing user the roles of their groups. The token of the provider has served its purpose."""
        sociallogin.token = None
        if sociallogin.is_existing and may_log_in(sociallogin.user):
            self._follow_groups(sociallogin)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: "SocialLogin") -> bool:
        """Return `True` if a first login makes the user, or refuse."""
        if not login_provider().creates_users:
            raise ImmediateHttpResponse(refusal(request, NO_ACCOUNT))
        return True

    def save_user(self, request: HttpRequest, sociallogin: "SocialLogin", form: None = None) -> User:
        """Store a new user without a password, under a name that nobody has."""
        user: User = sociallogin.user
        user.set_unusable_password()
        user.username = generate_unique_username([user.username, self._preferred_name(sociallogin), user.email, "user"])
        try:
            with transaction.atomic():
                user.save()
                sociallogin.account.user = user
                sociallogin.account.save()
                self._follow_groups(sociallogin)
        except IntegrityError:  # two first logins at once
            raise ImmediateHttpResponse(HttpResponseRedirect(reverse("admin:login"))) from None
        return user

    def on_authentication_error(self, request: HttpRequest, provider: object, **options: object) -> None:
        """Show what failed, without details of the provider."""
        failure = escape_controls(repr(options.get("exception")))[:MAX_LOGGED]  # it quotes what the provider answered
        log.warning("A login with the OpenID provider failed: %s", failure)
        raise ImmediateHttpResponse(refusal(request, FAILED.format(name=login_provider().name)))

    def _preferred_name(self, sociallogin: "SocialLogin") -> str:
        """Return the name at the provider. allauth has emptied the field of the user if another user has this name."""
        return str(sociallogin.claims.get("preferred_username", ""))

    def _follow_groups(self, sociallogin: "SocialLogin") -> None:
        login = login_provider()
        groups = groups_of(sociallogin.claims, login.groups_claim)
        follow_groups(user=sociallogin.user, groups=groups, roles=login.roles)
