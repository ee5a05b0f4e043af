"""Access and refresh tokens: what they claim, and how they are verified."""

import re
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from django.db.models import BigIntegerField
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token
from rest_framework_simplejwt.utils import get_md5_hash_password

from models_registry.accounts import scopes
from models_registry.accounts.models import User
from models_registry.accounts.scopes import Scope
from models_registry.tokens.errors import InvalidTokenError, TokenExpiredError

T = TypeVar("T", bound=Token)

MAX_TOKEN_BYTES = 4096
VERIFIED_TOKENS_KEPT = 4096

_INVALID = "The token is not valid here. Get a new one with POST /api/v1/auth/token."
_EXPIRED = "The token has expired. Get a new one with POST /api/v1/auth/token/refresh."

_user_id = re.compile(r"[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Caller:
    """What a verified token says of its bearer. It proves who logged in, not that they still may.

    `family` is the login that the token descends from, `None` for a token made by an operator. `scopes` is the most
    that the token may do. `password_digest` changes with the user's password.
    """

    pk: int
    family: UUID | None
    scopes: frozenset[Scope]
    password_digest: str
    jti: str
    expires_at: float

    is_authenticated = True

    def has_password(self, password: str) -> bool:
        """Say whether the user's stored password is still the one with which the token was made."""
        return get_md5_hash_password(password) == self.password_digest

    def load_account(self) -> User:
        """Return the user, in one query. Raises `InvalidTokenError` when they may no longer log in."""
        from models_registry.tokens.selectors import account_of  # which reads what a caller claims

        return account_of(self)


def read_access_token(encoded: bytes) -> Caller:
    """Return whom a valid access token speaks for. Raises `InvalidTokenError` or `TokenExpiredError`."""
    caller = verified_caller(encoded)
    _refuse_expired(caller)
    return caller


def read_refresh_token(encoded: str) -> tuple[Caller, UUID]:
    """Return whom a valid refresh token speaks for, and its family.

    Raises `InvalidTokenError` or `TokenExpiredError`.
    """
    caller = _read(RefreshToken, encoded)
    _refuse_expired(caller)
    if caller.family is None:
        raise InvalidTokenError(_INVALID)
    return caller, caller.family


def new_token(kind: type[T], user: User, *, family: UUID | None, scope: frozenset[Scope]) -> T:
    """Return a token for a user, which `str()` signs. `scope` bounds what it may do."""
    token: T = kind.for_user(user)
    if family is not None:
        token["sid"] = family.hex
    if scope != scopes.ALL_SCOPES:
        token["scope"] = " ".join(sorted(scope))
    return token


def _refuse_expired(caller: Caller) -> None:
    """Refuse a token whose lifetime is over, without the leeway that the library grants here as well."""
    if caller.expires_at <= time.time():
        raise TokenExpiredError(_EXPIRED)


@lru_cache(maxsize=VERIFIED_TOKENS_KEPT)
def verified_caller(encoded: bytes) -> Caller:
    """Return whom an access token speaks for. The result is cached, so it says nothing about expiry."""
    return _read(AccessToken, encoded)


def _read(kind: type[Token], encoded: str | bytes) -> Caller:
    if len(encoded) > MAX_TOKEN_BYTES:
        raise InvalidTokenError(_INVALID)
    try:
        return _caller(kind(encoded))  # type: ignore[arg-type]  # the library takes encoded tokens
    except ExpiredTokenError:
        raise TokenExpiredError(_EXPIRED) from None
    except (TokenError, KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        raise InvalidTokenError(_INVALID) from None


def _caller(token: Token) -> Caller:
    user_id = token[api_settings.USER_ID_CLAIM]
    if not _user_id.fullmatch(user_id) or int(user_id) > BigIntegerField.MAX_BIGINT:
        raise ValueError("no user has such an id")
    return Caller(
        pk=int(user_id),
        family=UUID(token["sid"]) if "sid" in token else None,
        scopes=scopes.expand(scopes.parse(token["scope"])) if "scope" in token else scopes.ALL_SCOPES,
        password_digest=token[api_settings.REVOKE_TOKEN_CLAIM],
        jti=UUID(token[api_settings.JTI_CLAIM]).hex,
        expires_at=float(token["exp"]),
    )
