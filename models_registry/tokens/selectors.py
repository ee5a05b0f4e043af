"""Reads of the caller's account together with the state of the login."""

from functools import cache

from django.db.models import BigIntegerField, Exists, OuterRef, QuerySet, UUIDField
from django.db.models.expressions import Combinable
from django.db.models.functions import MD5, Upper

from models_registry.accounts.models import Organization, User
from models_registry.accounts.scopes import Scope
from models_registry.db.prepared import Parameter, PreparedQuery, Row
from models_registry.tokens.errors import InvalidTokenError
from models_registry.tokens.jwt import Caller
from models_registry.tokens.models import TokenFamily
from models_registry.tokens.usage import record_use

USER = Parameter("user", BigIntegerField())
FAMILY = Parameter("family", UUIDField())


def get_account(caller: Caller) -> User:
    """Return the user of a token. Raises `InvalidTokenError` if the login is no longer valid."""
    row = check_login(_account().first(user=caller.pk, family=caller.family), caller)
    return User(pk=caller.pk, username=row["username"], is_superuser=row["is_superuser"])


def check_login(row: Row | None, caller: Caller) -> Row:
    """Return a row of `account_rows` if it shows that the caller's login is still valid. Record a named token's use.

    Raises `InvalidTokenError` if the user is inactive or has a new password, or if the login is revoked.
    """
    if (
        row
        and row["is_active"]
        and row["password_digest"] == caller.password_digest
        and (caller.family is None or row["logged_in"])
    ):
        if caller.is_named:
            record_use(caller.family)
        return row
    raise InvalidTokenError("The token is no longer valid. Get a new one with POST /api/v1/auth/token.")


def may_manage_tokens(caller: User, account: User) -> bool:
    """Return whether a user of the admin manages a service account's tokens: its owner's admins do, and staff."""
    if caller.has_perm("models_registry.add_namedtoken"):
        return True
    administered = Organization.objects.permitting(Scope.ORGANIZATION_ADMIN, caller.pk)
    return administered.filter(service_accounts=account).exists()


def account_rows(*columns: str, **annotations: Combinable) -> QuerySet[User, Row]:
    """Return a query of the user `USER` and the login `FAMILY`, with the columns that `check_login` needs and more.

    The digest of the password is that of `Caller.has_password`, so that the stored password stays in the database.
    """
    logged_in = Exists(TokenFamily.objects.filter(pk=FAMILY, user=OuterRef("pk"), revoked_at=None))
    rows: QuerySet[User, Row] = User.objects.filter(pk=USER).values(
        "is_active",
        "is_superuser",
        *columns,
        password_digest=Upper(MD5("password")),
        logged_in=logged_in,
        **annotations,
    )
    return rows


@cache
def _account() -> PreparedQuery:
    return PreparedQuery(account_rows("username"))
