"""Logins by token: opened, rotated, revoked."""

from uuid import UUID

from auditlog.context import disable_auditlog
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from rest_framework_simplejwt.utils import datetime_from_epoch

from models_registry.accounts.models import User
from models_registry.accounts.scopes import Scope, expand
from models_registry.audit.context import acting_user
from models_registry.db.purge import delete_in_batches
from models_registry.tokens.errors import InvalidTokenError, NotTrustedError
from models_registry.tokens.jwt import Caller, new_token, read_refresh_token
from models_registry.tokens.models import TokenFamily
from models_registry.tokens.oidc.identity_tokens import matching_rule, read_identity_token

_REVOKED = "The refresh token was already used or revoked. Log in again with POST /api/v1/auth/token."


@transaction.atomic
def open_token_family(*, user: User, scope: frozenset[Scope]) -> RefreshToken:
    """Begin a login: return its first refresh token. The user's expired logins are forgotten."""
    with disable_auditlog():
        user.token_families.filter(expires_at__lt=timezone.now()).delete()
    family = TokenFamily(user=user)
    refresh = new_token(RefreshToken, user, family=family.id, scope=scope)
    family.current_jti = refresh[api_settings.JTI_CLAIM]
    family.expires_at = datetime_from_epoch(refresh["exp"])
    with acting_user(user):
        family.save(force_insert=True)
    return refresh


def exchange_identity_token(*, encoded: str, scope: frozenset[Scope] | None) -> tuple[AccessToken, frozenset[Scope]]:
    """Begin a login for the identity token of a trusted issuer: return its access token, and what that may do.

    Raises `InvalidTokenError`, `TokenExpiredError`, `IssuerUnavailableError`, or `NotTrustedError` where no rule lets
    the token in, or not with this scope.
    """
    rule = matching_rule(*read_identity_token(encoded))
    account, most = rule.service_account, frozenset(map(Scope, rule.scopes))
    if not (account.is_active and account.is_service_account):
        raise NotTrustedError(f"{account} is no active service account. Ask an operator to activate it.")
    granted = most if scope is None else scope
    if not granted <= expand(most):
        raise NotTrustedError(f"This token may get no more than the scope {' '.join(sorted(most))!r}. Ask for less.")
    return open_token_family(user=account, scope=granted).access_token, granted


def rotate_refresh_token(*, encoded: str) -> RefreshToken:
    """Use a refresh token up and return its successor.

    Of any number of simultaneous uses exactly one succeeds. Using a token again revokes its whole family, as either use
    may be a thief's. Raises `InvalidTokenError` or `TokenExpiredError`.
    """
    caller, family = read_refresh_token(encoded)
    user = _user_of(caller)
    if user.is_service_account:
        raise InvalidTokenError(_REVOKED)
    refresh = new_token(RefreshToken, user, family=family, scope=caller.scopes)
    # An update, which leaves no row in the audit trail: the login stays what it was.
    replaced = TokenFamily.objects.filter(pk=family, current_jti=caller.jti, revoked_at=None).update(
        current_jti=refresh[api_settings.JTI_CLAIM], expires_at=datetime_from_epoch(refresh["exp"])
    )
    if not replaced:
        _revoke_family(user, family)
        raise InvalidTokenError(_REVOKED)
    return refresh


def revoke_refresh_token(*, encoded: str) -> None:
    """End the login that a refresh token descends from: its access tokens are refused from now on as well.

    Raises `InvalidTokenError` or `TokenExpiredError`.
    """
    caller, family = read_refresh_token(encoded)
    if not _revoke_family(_user_of(caller), family):
        raise InvalidTokenError(_REVOKED)


def _user_of(caller: Caller) -> User:
    user = User.objects.filter(pk=caller.pk, is_active=True).first()
    if user is None or not caller.has_password(user.password):
        raise InvalidTokenError(_REVOKED)
    return user


@transaction.atomic
def revoke_families(families: QuerySet[TokenFamily]) -> int:
    """End those logins that have not ended yet; return how many."""
    ended = list(families.select_for_update().filter(revoked_at=None))
    for family in ended:
        family.revoked_at = timezone.now()
        family.save(update_fields=["revoked_at"])
    return len(ended)


def _revoke_family(user: User, family: UUID) -> int:
    with acting_user(user):
        return revoke_families(TokenFamily.objects.filter(pk=family))


def delete_expired_logins() -> int:
    """Delete the logins whose refresh tokens have expired. Return their number."""
    with disable_auditlog():
        return delete_in_batches(TokenFamily.objects.all(), "expires_at", timezone.now())


def delete_expired_sessions() -> int:
    """Delete the sessions of the admin that have expired. Return their number."""
    return delete_in_batches(Session.objects.all(), "expire_date", timezone.now())
