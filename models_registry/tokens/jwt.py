"""Access and refresh tokens: create them, verify them, and read their claims."""

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
VERIFIED_TOKEN_CACHE_SIZE = 4096

_INVALID = "The token is not valid here. Get a new one with POST /api/v1/auth/token."
_EXPIRED = "The token has expired. Get a new one with POST /api/v1/auth/token/refresh."

_user_id = re.compile(r"[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Caller:
    """The claims of a verified token. They prove who logged in, not that the user may still log in.

    `family` is the login that the token belongs to, or `None` for a token that an operator created. `scopes` limits
    what the token can do. `password_digest` changes with the user's password. `is_named` says that the family is a
    `NamedToken`.
    """

    pk: int
    family: UUID | None
    scopes: frozenset[Scope]
    password_digest: str
    jti: str
    expires_at: float
    is_named: bool = False

    is_authenticated = True

    def has_password(self, password: str) -> bool:
        """Return whether this stored password is the one for which the token was created."""
        return get_md5_hash_password(password) == self.password_digest

    def load_account(self) -> User:
        """Return the user, in one query. Raises `InvalidTokenError` if the login is no longer valid."""
        from models_registry.tokens.selectors import get_account  # that module imports this one

        return get_account(self)


def read_access_token(encoded: bytes) -> Caller:
    """Return the caller of an access token. Raises `InvalidTokenError` or `TokenExpiredError`."""
    caller = decode_access_token(encoded)
    _refuse_expired(caller)
    return caller


def read_refresh_token(encoded: str) -> tuple[Caller, UUID]:
    """Return the caller of a refresh token and the token's family.

    Raises `InvalidTokenError` or `TokenExpiredError`.
    """
    caller = _decode(RefreshToken, encoded)
    _refuse_expired(caller)
    if caller.family is None:
        raise InvalidTokenError(_INVALID)
    return caller, caller.family


def new_token(kind: type[T], user: User, *, family: UUID | None, scope: frozenset[Scope]) -> T:
    """Return a token for a user, limited to a scope. `str()` signs it."""
    token: T = kind.for_user(user)
    if family is not None:
        token["sid"] = family.hex
    if scope != scopes.ALL_SCOPES:
        token["scope"] = " ".join(sorted(scope))
    return token


def _refuse_expired(caller: Caller) -> None:
    """Refuse an expired token. The library would accept it for the seconds of the clock leeway."""
    if caller.expires_at <= time.time():
        raise TokenExpiredError(_EXPIRED)


@lru_cache(maxsize=VERIFIED_TOKEN_CACHE_SIZE)
def decode_access_token(encoded: bytes) -> Caller:
    """Verify an access token. The result is cached, as a valid signature stays valid. Expiry is checked each time."""
    return _decode(AccessToken, encoded)


def _decode(kind: type[Token], encoded: str | bytes) -> Caller:
    if len(encoded) > MAX_TOKEN_BYTES:
        raise InvalidTokenError(_INVALID)
    try:
        return _parse_claims(kind(encoded))  # type: ignore[arg-type]  # it accepts encoded tokens
    except ExpiredTokenError:
        raise TokenExpiredError(_EXPIRED) from None
    except (TokenError, KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        raise InvalidTokenError(_INVALID) from None


def _parse_claims(token: Token) -> Caller:
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
        is_named="named" in token,
    )
