"""Read the claims of an OpenID provider about a person."""

import json
from collections.abc import Collection, Mapping

from models_registry.accounts.scopes import Role
from models_registry.logins.provider import Roles

MAX_SUBJECT = 191  # characters that the library's table holds

_TEXTS = {"preferred_username", "email", "name", "given_name", "family_name"}
_RANKS = {role: rank for rank, role in enumerate((Role.VIEWER, Role.EDITOR, Role.ADMIN))}


def about_person(answers: Mapping[str, object]) -> dict[str, object]:
    """Return the claims about a person: those of the identity token, and further ones of the user info.

    An address that the provider has not verified is left out. Raises `ValueError` if the two are about different
    people, or if a claim cannot be stored.
    """
    token, info = (_claims(answers.get(name)) for name in ("id_token", "userinfo"))
    claims, subject = info | token, token.get("sub")
    if info.get("sub") != subject:  # OpenID Connect Core 1.0, 5.3.2
        raise ValueError("The identity token and the user info are not about the same person.")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or "\\u0000" in json.dumps(claims):
        raise ValueError("The subject is no text, or is too long, or a claim has a NUL character.")
    return {name: value for name, value in claims.items() if _is_usable(name, value, claims)}


def groups_of(claims: Mapping[str, object], name: str) -> frozenset[str]:
    """Return the groups in a claim, which is a list or one group. A claim of another kind names none."""
    groups = claims.get(name)
    listed = groups if isinstance(groups, list) else [groups]
    return frozenset(group for group in listed if isinstance(group, str))


def roles_of(groups: Collection[str], roles: Roles) -> dict[str, Role | None]:
    """Return the highest role that the groups give in each organization of the mapping, or `None`."""
    given: dict[str, Role | None] = {slug: None for mapped in roles.values() for slug in mapped}
    for slug, role in ((slug, role) for group in groups for slug, role in roles.get(group, {}).items()):
        given[slug] = max(role, given[slug] or role, key=_RANKS.__getitem__)
    return given


def _claims(answer: object) -> dict[str, object]:
    return answer if isinstance(answer, dict) else {}


def _is_usable(name: str, value: object, claims: Mapping[str, object]) -> bool:
    if name == "email" and claims.get("email_verified") is not True:
        return False
    return name not in _TEXTS or isinstance(value, str)
