"""Validators of webhook fields."""

from django.conf import settings
from django.core.exceptions import ValidationError

from models_registry.api.http_client import check_url
from performance.webhooks.events import SUBSCRIBABLE

SUBSCRIBABLE_NAMES = tuple(event.name for event in SUBSCRIBABLE)


def validate_webhook_url(url: str) -> None:
    """Raise `ValidationError` unless messages may be sent to the URL."""
    try:
        check_url(url, settings.WEBHOOK_PRIVATE_HOSTS)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def validate_events(names: object) -> None:
    """Raise `ValidationError` unless this is a list of one or more events, each once."""
    if (
        not isinstance(names, list)
        or not names
        or any(name not in SUBSCRIBABLE_NAMES for name in names)
        or len(set(names)) < len(names)
    ):
        raise ValidationError(f"It must be a list of one or more of {', '.join(SUBSCRIBABLE_NAMES)}.")
