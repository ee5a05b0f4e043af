"""Read the OpenID provider that people log in with."""

import json
from importlib.util import find_spec
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.env.readers import flag, read
from models_registry.accounts.scopes import Role
from models_registry.logins.provider import LoginProvider, is_encrypted_or_local

MAX_ISSUER = 200  # characters that a table of the library holds
MAX_NAME = 40
_EXAMPLE = '{"data-scientists": {"acme": "editor"}}'


def login_provider() -> LoginProvider | None:
    """Return the provider, or `None` without an issuer."""
    issuer = read("OIDC_LOGIN_ISSUER")
    if not issuer:
        _refuse_without_issuer()
        return None
    _check_issuer(issuer)
    _check_extra()
    scopes = read("OIDC_LOGIN_SCOPES", default="openid profile email").split()
    return LoginProvider(
        issuer=issuer,
        client_id=required("OIDC_LOGIN_CLIENT_ID"),
        client_secret=required("OIDC_LOGIN_CLIENT_SECRET"),
        name=_name(read("OIDC_LOGIN_NAME", default="single sign-on")),
        scopes=("openid", *(scope for scope in scopes if scope != "openid")),
        groups_claim=read("OIDC_LOGIN_GROUPS_CLAIM", default="groups"),
        roles=_roles(read("OIDC_LOGIN_ROLES", default="{}")),
        creates_users=flag("OIDC_LOGIN_CREATES_USERS", default=True),
    )


def _refuse_without_issuer() -> None:
    for name in ("OIDC_LOGIN_CLIENT_ID", "OIDC_LOGIN_CLIENT_SECRET", "OIDC_LOGIN_ROLES"):
        if read(name):
            raise ImproperlyConfigured(f"{name} is set without OIDC_LOGIN_ISSUER; set both, or neither.")


def _check_issuer(issuer: str) -> None:
    if len(issuer) > MAX_ISSUER or not issuer.isprintable() or " " in issuer or not _is_address(issuer):
        raise ImproperlyConfigured(
            f"OIDC_LOGIN_ISSUER is {issuer!r}; set it to the https address that the provider calls its issuer, such as "
            "https://login.example.com/realms/acme"
        )


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    is_plain = parts.hostname and not parts.query and not parts.fragment and "@" not in parts.netloc
    return bool(is_plain and is_encrypted_or_local(parts))


def _check_extra() -> None:
    if find_spec("requests") is None or find_spec("oauthlib") is None:
        raise ImproperlyConfigured(
            "OIDC_LOGIN_ISSUER needs the packages of the extra `openid`; run with: uv run --extra openid"
        )


def required(name: str) -> str:
    text = read(name)
    if not text:
        raise ImproperlyConfigured(f"{name} is missing; set it to what the provider of OIDC_LOGIN_ISSUER issued.")
    return text


def _name(text: str) -> str:
    if len(text) > MAX_NAME:
        raise ImproperlyConfigured(f"OIDC_LOGIN_NAME has {len(text)} characters; {MAX_NAME} are the most.")
    return text


def _roles(text: str) -> dict[str, dict[str, Role]]:
    """Return the mapping from groups to roles in organizations."""
    try:
        document = json.loads(text)
        return {group: {slug: Role(role) for slug, role in roles.items()} for group, roles in document.items()}
    except (ValueError, AttributeError, RecursionError):
        known = ", ".join(Role)
        raise ImproperlyConfigured(
            f"OIDC_LOGIN_ROLES is {text[:200]!r}; set it to a JSON object from groups to roles by the slug of the "
            f"organization ({known}), such as {_EXAMPLE}"
        ) from None
