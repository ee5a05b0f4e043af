"""How webhooks are set up and shown, and what became of the messages to them."""

from typing import Any

from rest_framework import serializers

from models_registry.api.fields import (
    BoundedListField,
    StrictBooleanField,
    StrictCharField,
    StrictSerializer,
    UTCDateTimeField,
)
from models_registry.api.http_client import MAX_TEXT, MAX_URL
from models_registry.registry import ids
from performance.webhooks.models import WebhookDelivery
from performance.webhooks.services import TEST
from performance.webhooks.validators import EVENTS, validate_events, validate_webhook_url


class WebhookURLField(StrictCharField):
    """A URL to which messages may be sent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_length=MAX_URL,
            trim_whitespace=False,
            validators=[validate_webhook_url],
            help_text="With https, at a host of the public internet; hosts of its own network are up to the operator.",
            **options,
        )


class EventsField(BoundedListField):
    """What happens that a webhook is told of: one or more events, each once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            child=serializers.ChoiceField(EVENTS),
            max_length=len(EVENTS),
            min_length=1,
            validators=[validate_events],
            **options,
        )


class WebhookInput(StrictSerializer):
    """A new webhook."""

    url = WebhookURLField()
    events = EventsField()
    model_id = StrictCharField(
        required=False,
        allow_null=True,
        max_length=40,
        help_text="The model of which alone it is told; without one, it is told of all of the organization's.",
    )


class WebhookChanges(StrictSerializer):
    """What of a webhook may change."""

    url = WebhookURLField(required=False)
    events = EventsField(required=False)
    is_active = StrictBooleanField(required=False)


class WebhookTest(StrictSerializer):
    """Nothing: a test takes no choice."""


class WebhookSerializer(serializers.Serializer[Any]):
    """A URL that is told what happens. Its secret is shown only when it is made."""

    id = serializers.CharField()
    organization = serializers.SlugField(source="organization.slug")
    model_id = serializers.RegexField(rf"^{ids.MODEL_ID_PATTERN}$", allow_null=True)
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(EVENTS))
    is_active = serializers.BooleanField()
    consecutive_failures = serializers.IntegerField(
        min_value=0, help_text="Attempts that failed since the last success."
    )
    paused_until = UTCDateTimeField(
        allow_null=True, help_text="When the next attempt may be made, of one message; null unless attempts fail."
    )
    created_by = serializers.CharField(source="created_by.username", read_only=True, default=None, allow_null=True)
    created_at = UTCDateTimeField()


class NewWebhookSerializer(WebhookSerializer):
    """A new webhook, with its secret: keep it, as it is not shown again."""

    secret = serializers.CharField(
        allow_null=True,
        help_text="With which messages to it are signed (Standard Webhooks). Null in a repetition of this answer.",
    )


class WebhookDeliverySerializer(serializers.Serializer[Any]):
    """A message to a webhook, and what became of it."""

    message_id = serializers.CharField(help_text="The `webhook-id` of each attempt.")
    event = serializers.ChoiceField([*EVENTS, TEST])
    state = serializers.ChoiceField(WebhookDelivery.State.values)
    attempts = serializers.IntegerField(min_value=0)
    last_status = serializers.IntegerField(allow_null=True, help_text="Of the last answer, if one came.")
    last_answer = serializers.CharField(
        allow_blank=True, help_text=f"How its body began: at most {MAX_TEXT} characters."
    )
    last_error = serializers.CharField(allow_blank=True, help_text="Why it is not delivered.")
    created_at = UTCDateTimeField()
    next_attempt_at = UTCDateTimeField(allow_null=True)
    finished_at = UTCDateTimeField(allow_null=True)
