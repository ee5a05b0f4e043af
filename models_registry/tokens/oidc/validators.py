"""What the database takes of fields that need more than a type, as validators."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from models_registry.accounts.scopes import Scope
from models_registry.tokens.oidc.claims import check_patterns, check_url


def validate_provider_url(url: str) -> None:
    """Take only a URL of a host that the operator allows. Raises `ValidationError`."""
    try:
        check_url(url, settings.OIDC_ALLOWED_HOSTS)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def validate_patterns(patterns: Any) -> None:
    """Take only claims with their patterns, at least one of them exact. Raises `ValidationError`."""
    try:
        check_patterns(patterns)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def validate_scopes(names: Any) -> None:
    """Take only a list of one or more scopes. Raises `ValidationError`."""
    known = list(Scope)
    if not isinstance(names, list) or not names or not all(name in known for name in names):
        raise ValidationError(f"It must be a list of one or more of {', '.join(known)}.")
