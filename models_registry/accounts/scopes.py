"""Roles, scopes, and what implies what. Pure Python."""

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """What a member may do in an organization; each role includes those before it."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a route needs, and what a token may be narrowed to."""

    MODEL_READ = "model:read"
    MODEL_WRITE = "model:write"
    MODEL_PROMOTE = "model:promote"
    ORGANIZATION_VIEWER = "organization:viewer"
    ORGANIZATION_EDITOR = "organization:editor"
    ORGANIZATION_ADMIN = "organization:admin"


MODEL_SCOPES = (Scope.MODEL_READ, Scope.MODEL_WRITE, Scope.MODEL_PROMOTE)

_VIEWER = frozenset({Scope.ORGANIZATION_VIEWER, Scope.MODEL_READ})
_EDITOR = _VIEWER | {Scope.ORGANIZATION_EDITOR, Scope.MODEL_WRITE}
_ADMIN = _EDITOR | {Scope.ORGANIZATION_ADMIN, Scope.MODEL_PROMOTE}

IMPLIED_BY_ROLE = {Role.VIEWER: _VIEWER, Role.EDITOR: _EDITOR, Role.ADMIN: _ADMIN}
_IMPLIED_BY_SCOPE = {
    **{scope: frozenset({scope}) for scope in MODEL_SCOPES},
    **{Scope(f"organization:{role}"): scopes for role, scopes in IMPLIED_BY_ROLE.items()},
}

ALL_SCOPES = frozenset(Scope)


class UnknownScopeError(ValueError):
    """A list of scopes that is empty or names something else than a scope."""


def roles_implying(scope: Scope) -> list[Role]:
    """Return the roles whose members hold `scope` on every model of their organization."""
    return [role for role, scopes in IMPLIED_BY_ROLE.items() if scope in scopes]


def expand(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Return the scopes together with all that they imply."""
    return frozenset().union(*(_IMPLIED_BY_SCOPE[scope] for scope in scopes))


def parse(text: str) -> frozenset[Scope]:
    """Return the scopes that a space-separated list names.

    Raises `UnknownScopeError` when the list is empty or names something else than a scope.
    """
    names = text.split()
    unknown = [name for name in names if name not in list(Scope)]
    if unknown or not names:
        known = ", ".join(Scope)
        fault = f"{unknown[0]!r} is not a scope" if unknown else "At least one scope is needed"
        raise UnknownScopeError(f"{fault}; use a space-separated list of {known}.")
    return frozenset(map(Scope, names))
