"""The pages of the registry in the admin, gathered for Django to find."""

from models_registry.accounts import admin as accounts
from models_registry.audit import admin as audit
from models_registry.logins import admin as logins
from models_registry.registry import admin as registry
from models_registry.registry import grant_admin as grants
from models_registry.tokens import admin as tokens

__all__ = ["accounts", "audit", "grants", "logins", "registry", "tokens"]
