"""Logins by token: create, exchange, rotate, revoke and purge them."""

from collections.abc import Collection
from datetime import timedelta
from typing import TypedDict, Unpack
from uuid import UUID

from auditlog.context import disable_auditlog
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from rest_framework_simplejwt.utils import datetime_from_epoch

from models_registry.accounts.models import Organization, ServiceAccount, User
from models_registry.accounts.scopes import Scope, expand
from models_registry.accounts.services import add_member, change_role
from models_registry.accounts.two_factor import needs_more_than_password
from models_registry.api.errors import InvalidBodyError
from models_registry.api.writes import refusing_duplicates, save_changes
from models_registry.audit.context import acting_user
from models_registry.db.purge import delete_in_batches
from models_registry.tokens.errors import InvalidTokenError, NotTrustedError, TwoFactorRequiredError
from models_registry.tokens.jwt import Caller, new_token, read_refresh_token
from models_registry.tokens.models import NamedToken, TokenFamily
from models_registry.tokens.oidc.identity_tokens import find_matching_rule, read_identity_token

_REVOKED = "The refresh token was already used or revoked. Log in again with POST /api/v1/auth/token."


@transaction.atomic
def open_token_family(*, user: User, scope: frozenset[Scope]) -> RefreshToken:
    """Start a login and return its first refresh token. Delete the user's expired logins."""
    with disable_auditlog():
        user.token_families.filter(expires_at__lt=timezone.now()).delete()
    family = TokenFamily(user=user)
    refresh = new_token(RefreshToken, user, family=family.id, scope=scope)
    family.current_jti = refresh[api_settings.JTI_CLAIM]
    family.expires_at = datetime_from_epoch(refresh["exp"])
    with acting_user(user):
        family.save(force_insert=True)
    return refresh


@transaction.atomic
def create_named_token(
    *, user: User, name: str, scopes: Collection[Scope], lifetime: timedelta, created_by: User
) -> tuple[NamedToken, AccessToken]:
    """Store a named token. Return it, and the access token, which can be shown only now."""
    allowed = frozenset(scopes)
    named = NamedToken(user=user, name=name, scopes=sorted(allowed), created_by=created_by)
    access = new_token(AccessToken, user, family=named.id, scope=allowed)
    access.set_exp(lifetime=lifetime)
    access["named"] = True
    named.current_jti = access[api_settings.JTI_CLAIM]
    named.expires_at = datetime_from_epoch(access["exp"])
    named.save(force_insert=True)
    return named, access


@transaction.atomic
def revoke_named_token(*, token: NamedToken) -> None:
    """Revoke a named token, which is refused at once. A repeated call keeps the first time."""
    if token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])


@transaction.atomic
def create_service_account(*, username: str, owner: Organization | None, role: str | None = None) -> ServiceAccount:
    """Create a service account, which never has a password. Give it a role in the organization that owns it.

    Raises `InvalidBodyError` unless it is named after its owner, and `ConflictError` if the name is in use.
    """
    if owner is not None and not username.startswith(f"{owner.slug}."):
        detail = f"Must begin with the organization's slug and a dot, such as {owner.slug}.ci."
        raise InvalidBodyError(errors=[("username", "invalid", detail)])
    account = ServiceAccount(username=username, is_service_account=True, owner=owner)
    account.set_unusable_password()
    with refusing_duplicates(f"There is a user {username} already. Choose another name."):
        account.save(force_insert=True)
    if owner is not None and role is not None:
        add_member(organization=owner, user=account, role=role)
    return account


class AccountChanges(TypedDict, total=False):
    """What can be changed of a service account."""

    role: str
    is_active: bool


@transaction.atomic
def update_service_account(*, account: ServiceAccount, **changes: Unpack[AccountChanges]) -> None:
    """Change a service account's role in its organization, or whether it is active. Deactivation revokes its tokens.

    Raises `ConflictError` if the organization would have no admin left.
    """
    if "role" in changes:
        _change_role(account, changes["role"])
    if "is_active" in changes:
        save_changes(account, is_active=changes["is_active"])
        if not account.is_active:
            revoke_tokens(user=account)


def revoke_tokens(*, user: User) -> int:
    """Revoke all logins and named tokens of a user, and return their number."""
    named = list(NamedToken.objects.select_for_update().filter(user=user, revoked_at=None))
    for token in named:
        revoke_named_token(token=token)
    return len(named) + revoke_families(user.token_families.all())


def _change_role(account: ServiceAccount, role: str) -> None:
    """Change or add the membership of a service account in the organization that owns it."""
    membership = account.memberships.select_related("organization", "user").filter(organization=account.owner).first()
    if membership is not None:
        change_role(membership=membership, role=role)
    elif account.owner is not None:
        add_member(organization=account.owner, user=account, role=role)


def exchange_identity_token(*, encoded: str, scope: frozenset[Scope] | None) -> tuple[AccessToken, frozenset[Scope]]:
    """Start a login for the identity token of a trusted issuer. Return its access token and the granted scopes.

    Raises `InvalidTokenError`, `TokenExpiredError` or `IssuerUnavailableError`, or `NotTrustedError` if no rule accepts
    the token with the requested scopes.
    """
    rule = find_matching_rule(*read_identity_token(encoded))
    account, allowed = rule.service_account, frozenset(map(Scope, rule.scopes))
    if not (account.is_active and account.is_service_account):
        raise NotTrustedError(f"{account} is no active service account. Ask an operator to activate it.")
    granted = allowed if scope is None else scope
    if not granted <= expand(allowed):
        raise NotTrustedError(f"This token may get no more than the scope {' '.join(sorted(allowed))!r}. Ask for less.")
    return open_token_family(user=account, scope=granted).access_token, granted


def rotate_refresh_token(*, encoded: str) -> RefreshToken:
    """Replace a refresh token and return its successor.

    If a token is used several times at once, exactly one use succeeds. A second use revokes the whole family, because
    either use may be a thief's. Raises `InvalidTokenError`, `TokenExpiredError`, or `TwoFactorRequiredError` for a
    login with a password alone from before its user had a second factor.
    """
    caller, family = read_refresh_token(encoded)
    user = _active_user(caller)
    if user.is_service_account:
        raise InvalidTokenError(_REVOKED)
    if needs_more_than_password(user):
        raise TwoFactorRequiredError
    refresh = new_token(RefreshToken, user, family=family, scope=caller.scopes)
    # `update` bypasses the audit trail on purpose: rotation is not a new login.
    rotated = TokenFamily.objects.filter(pk=family, current_jti=caller.jti, revoked_at=None).update(
        current_jti=refresh[api_settings.JTI_CLAIM], expires_at=datetime_from_epoch(refresh["exp"])
    )
    if not rotated:
        _revoke_family(user, family)
        raise InvalidTokenError(_REVOKED)
    return refresh


def revoke_refresh_token(*, encoded: str) -> None:
    """Revoke the login of a refresh token. Its access tokens are refused at once as well.

    Raises `InvalidTokenError` or `TokenExpiredError`.
    """
    caller, family = read_refresh_token(encoded)
    if not _revoke_family(_active_user(caller), family):
        raise InvalidTokenError(_REVOKED)


def _active_user(caller: Caller) -> User:
    user = User.objects.filter(pk=caller.pk, is_active=True).first()
    if user is None or not caller.has_password(user.password):
        raise InvalidTokenError(_REVOKED)
    return user


@transaction.atomic
def revoke_families(families: QuerySet[TokenFamily]) -> int:
    """Revoke the logins that are not revoked yet and return their number."""
    active = list(families.select_for_update().filter(revoked_at=None))
    for family in active:
        family.revoked_at = timezone.now()
        family.save(update_fields=["revoked_at"])
    return len(active)


def _revoke_family(user: User, family: UUID) -> int:
    with acting_user(user):
        return revoke_families(TokenFamily.objects.filter(pk=family))


def delete_expired_logins() -> int:
    """Delete the logins whose refresh tokens have expired and return their number."""
    with disable_auditlog():
        return delete_in_batches(TokenFamily.objects.all(), "expires_at", timezone.now())


def delete_expired_sessions() -> int:
    """Delete the expired sessions of the admin and return their number."""
    return delete_in_batches(Session.objects.all(), "expire_date", timezone.now())
