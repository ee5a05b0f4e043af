"""What the database takes of webhooks, as validators of fields."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from models_registry.api.http_client import check_url
from performance.webhooks.events import SUBSCRIBABLE

EVENTS = tuple(event.name for event in SUBSCRIBABLE)


def validate_webhook_url(url: str) -> None:
    """Take only a URL to which messages may be sent. Raises `ValidationError`."""
    try:
        check_url(url, settings.WEBHOOK_PRIVATE_HOSTS)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def validate_events(names: Any) -> None:
    """Take only a list of one or more events, each once. Raises `ValidationError`."""
    known = isinstance(names, list) and all(name in EVENTS for name in names)
    if not known or not names or len(set(names)) < len(names):
        raise ValidationError(f"It must be a list of one or more of {', '.join(EVENTS)}.")
