"""Roles and scopes, and what each implies. Pure Python."""

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """What a member may do in an organization. Each role includes the previous ones."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class Scope(StrEnum):
    """The permission that a route requires. A token may be restricted to some scopes."""

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
    """A list of scopes is empty, or contains an unknown scope."""


def roles_implying(scope: Scope) -> list[Role]:
    """Return the roles whose members have `scope` on every model of their organization."""
    return [role for role, scopes in IMPLIED_BY_ROLE.items() if scope in scopes]


def expand(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Return the scopes and all scopes that they imply."""
    return frozenset().union(*(_IMPLIED_BY_SCOPE[scope] for scope in scopes))


def parse(text: str) -> frozenset[Scope]:
    """Return the scopes in a space-separated list.

    Raises `UnknownScopeError` if the list is empty or contains an unknown scope.
    """
    names = text.split()
    unknown = [name for name in names if name not in list(Scope)]
    if unknown or not names:
        known = ", ".join(Scope)
        fault = f"{unknown[0]!r} is not a scope" if unknown else "At least one scope is needed"
        raise UnknownScopeError(f"{fault}; use a space-separated list of {known}.")
    return frozenset(map(Scope, names))
