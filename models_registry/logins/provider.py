"""The OpenID provider that people log in with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult

from models_registry.accounts.scopes import Role

LOOPBACK_HOSTS = {"127.0.0.1", "::1", "localhost"}
Roles = Mapping[str, Mapping[str, Role]]  # by group, then by the slug of the organization


@dataclass(frozen=True, slots=True)
class LoginProvider:
    """The provider, what it knows the service as, and what follows from the groups of a person."""

    issuer: str
    client_id: str
    client_secret: str
    name: str = "single sign-on"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    roles: Roles = field(default_factory=dict)
    creates_users: bool = True


def is_encrypted_or_local(address: SplitResult) -> bool:
    """Return whether nobody on the way can read what is sent to an address: HTTPS, or HTTP to this machine."""
    return address.scheme == "https" or address.scheme == "http" and address.hostname in LOOPBACK_HOSTS
