"""Validators of the fields of trusted issuers and trust rules."""

from django.conf import settings
from django.core.exceptions import ValidationError

from models_registry.accounts.scopes import Scope
from models_registry.tokens.oidc.claims import check_patterns, check_url


def validate_provider_url(url: str) -> None:
    """Raise `ValidationError` unless the operator allows the URL's host."""
    try:
        check_url(url, settings.OIDC_ALLOWED_HOSTS)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def validate_patterns(patterns: object) -> None:
    """Raise `ValidationError` unless this maps claims to patterns and at least one pattern is exact."""
    try:
        check_patterns(patterns)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def validate_scopes(names: object) -> None:
    """Raise `ValidationError` unless this is a list of one or more scopes."""
    known = list(Scope)
    if not isinstance(names, list) or not names or not all(name in known for name in names):
        raise ValidationError(f"It must be a list of one or more of {', '.join(known)}.")
