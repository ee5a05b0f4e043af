"""Serializers of webhooks and of the messages to them."""

from rest_framework import serializers

from models_registry.api.fields import (
    BoundedListField,
    StrictBooleanField,
    StrictCharField,
    StrictSerializer,
    UTCDateTimeField,
)
from models_registry.api.http_client import MAX_TEXT, MAX_URL
from models_registry.registry.fields import ModelIdField
from performance.webhooks.events import TEST
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.validators import SUBSCRIBABLE_NAMES, validate_events, validate_webhook_url


class WebhookURLField(StrictCharField):
    """A URL to which messages may be sent."""

    def __init__(self, *, required: bool = True) -> None:
        super().__init__(
            max_length=MAX_URL,
            trim_whitespace=False,
            validators=[validate_webhook_url],
            help_text="An https URL at a public host. The operator may allow hosts of the private network.",
            required=required,
        )


class EventsField(BoundedListField):
    """The events that a webhook receives: one or more, each once."""

    def __init__(self, *, required: bool = True) -> None:
        super().__init__(
            child=serializers.ChoiceField(SUBSCRIBABLE_NAMES),
            max_length=len(SUBSCRIBABLE_NAMES),
            min_length=1,
            validators=[validate_events],
            required=required,
        )


class WebhookInput(StrictSerializer):
    """A new webhook."""

    url = WebhookURLField()
    events = EventsField()
    model_id = StrictCharField(
        required=False,
        allow_null=True,
        max_length=40,
        help_text="Only send events about this model; by default about all models of the organization.",
    )


class WebhookChanges(StrictSerializer):
    """The changes of a webhook."""

    url = WebhookURLField(required=False)
    events = EventsField(required=False)
    is_active = StrictBooleanField(required=False)


class WebhookTest(StrictSerializer):
    """An empty body: a test has no options."""


class WebhookSerializer(serializers.Serializer[Webhook]):
    """A URL that receives events. Its secret is shown only when the webhook is created."""

    id = serializers.CharField()
    organization = serializers.SlugField(source="organization.slug")
    model_id = ModelIdField(allow_null=True)
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(SUBSCRIBABLE_NAMES))
    is_active = serializers.BooleanField()
    consecutive_failures = serializers.IntegerField(
        min_value=0, help_text="Attempts that failed since the last success."
    )
    paused_until = UTCDateTimeField(
        allow_null=True, help_text="When one message is tried again; null unless attempts fail."
    )
    created_by = serializers.CharField(source="created_by.username", read_only=True, default=None, allow_null=True)
    created_at = UTCDateTimeField()


class NewWebhookSerializer(WebhookSerializer):
    """A new webhook with its secret. Store the secret: it is not shown again."""

    secret = serializers.CharField(
        allow_null=True,
        help_text="The secret that signs the messages (Standard Webhooks). Null if this response is repeated.",
    )


class WebhookDeliverySerializer(serializers.Serializer[WebhookDelivery]):
    """A message to a webhook, and the state of its delivery."""

    message_id = serializers.CharField(help_text="The `webhook-id` header of each attempt.")
    event = serializers.ChoiceField([*SUBSCRIBABLE_NAMES, TEST.name])
    state = serializers.ChoiceField(WebhookDelivery.State.values)
    attempts = serializers.IntegerField(min_value=0)
    last_status = serializers.IntegerField(
        allow_null=True, help_text="The status of the last response; null if there was none."
    )
    last_answer = serializers.CharField(
        allow_blank=True, help_text=f"The first {MAX_TEXT} characters of the last response's body."
    )
    last_error = serializers.CharField(allow_blank=True, help_text="Why the message is not delivered.")
    created_at = UTCDateTimeField()
    next_attempt_at = UTCDateTimeField(allow_null=True)
    finished_at = UTCDateTimeField(allow_null=True)
