"""Reads that span models."""

from functools import cache
from typing import Any

from django.db.models import BigIntegerField, Exists, OuterRef, QuerySet, UUIDField

from models_registry.accounts.models import User
from models_registry.db.prepared import Parameter, PreparedQuery
from models_registry.tokens.errors import InvalidTokenError
from models_registry.tokens.jwt import Caller
from models_registry.tokens.models import TokenFamily

USER = Parameter("user", BigIntegerField())
FAMILY = Parameter("family", UUIDField())


def account_of(caller: Caller) -> User:
    """Return the user that a token speaks for. Raises `InvalidTokenError` when they may no longer log in."""
    row = login_row(_account().first(user=caller.pk, family=caller.family), caller)
    return User(pk=caller.pk, username=row["username"], is_superuser=row["is_superuser"])


def login_row(row: dict[str, Any] | None, caller: Caller) -> dict[str, Any]:
    """Return a row of `account_rows` if by it the user is active, has kept the password and not ended the login.

    Raises `InvalidTokenError`.
    """
    if (
        row
        and row["is_active"]
        and caller.has_password(row["password"])
        and (caller.family is None or row["logged_in"])
    ):
        return row
    raise InvalidTokenError("The token is no longer valid. Get a new one with POST /api/v1/auth/token.")


def account_rows(*columns: str, **more: Any) -> QuerySet[User, dict[str, Any]]:
    """Return the user `USER`, with what says whether the login `FAMILY` still holds, and more columns."""
    logged_in = Exists(TokenFamily.objects.filter(pk=FAMILY, user=OuterRef("pk"), revoked_at=None))
    users: Any = User.objects.filter(pk=USER)
    rows: QuerySet[User, dict[str, Any]] = users.values(
        "is_active", "is_superuser", "password", *columns, logged_in=logged_in, **more
    )
    return rows


@cache
def _account() -> PreparedQuery:
    return PreparedQuery(account_rows("username"))
