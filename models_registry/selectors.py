"""Reads that span models."""

from functools import cache
from typing import Any

from django.db.models import BigIntegerField, Exists, OuterRef, QuerySet, UUIDField

from models_registry.exceptions import InvalidTokenError
from models_registry.models import AuditEntry, TokenFamily, User
from models_registry.prepared import Parameter, PreparedQuery
from models_registry.tokens import Caller

USER = Parameter("user", BigIntegerField())
FAMILY = Parameter("family", UUIDField())

MAX_FOUND = 1_000  # audit entries that a search finds
MAX_PREFIXED = 10_000  # audit entries whose paths may begin with a text that is searched for
_SEARCHED = ("actor_name", "object_pk", "object_repr", "cid")


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


def find_audit_entries(entries: QuerySet[AuditEntry], text: str) -> list[int]:
    """Return the keys of the newest of `entries` that match a text, at most `MAX_FOUND`.

    A user's name, a record's name or key, a request id and a path match as a whole; a path also by its beginning, if
    that is not too common. Only a text that begins with `/` is a path. Each column is a query of its own, as no index
    serves a condition with OR.
    """
    if text.startswith("/"):
        path = {"path": text} if is_common_path_prefix(text) else {"path__startswith": text}
        matching = [entries.filter(**path).order_by("-timestamp", "-pk")]
    else:
        matching = [having(entries, name, text).order_by(name, "-timestamp", "-pk") for name in _SEARCHED]
    found = {row for rows in matching for row in rows.values_list("timestamp", "pk")[:MAX_FOUND]}
    return [pk for _, pk in sorted(found, reverse=True)[:MAX_FOUND]]


def having(entries: QuerySet[AuditEntry], column: str, value: Any) -> QuerySet[AuditEntry]:
    """Keep the entries with a value in a column. Order them by the column first, and then by the timestamp.

    The condition is a range of one value, so that PostgreSQL takes the order by the column seriously, and reads the
    column's own index. By an equality it would often read the index of all timestamps instead, in the hope to come
    across the value soon: of a user who left two years ago, it would read millions of rows first.
    """
    return entries.filter(**{f"{column}__gte": value, f"{column}__lte": value})


def is_common_path_prefix(text: str) -> bool:
    """Return whether the paths of more than `MAX_PREFIXED` audit entries begin with a text, such as `/api/v1`."""
    beginning = AuditEntry.objects.filter(path__startswith=text).order_by()
    return text.startswith("/") and beginning[: MAX_PREFIXED + 1].count() > MAX_PREFIXED
