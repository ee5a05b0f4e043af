"""Webhooks, and the messages to them."""

import secrets
import uuid
from base64 import b64encode
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_registry.accounts.models import Organization, User
from models_registry.api.http_client import MAX_TEXT, MAX_URL
from models_registry.registry.models import RegisteredModel
from performance.jobs.models import Job, due_until_finished
from performance.webhooks.querysets import WebhookDeliveryQuerySet, WebhookQuerySet
from performance.webhooks.validators import validate_events, validate_webhook_url


def new_webhook_secret() -> str:
    """Return a random secret of 256 bits, in the format of Standard Webhooks."""
    return f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"


class Webhook(models.Model):
    """A URL that receives events about the models of an organization, or about one of them."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="webhooks")
    model = models.ForeignKey(
        RegisteredModel,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="webhooks",
        help_text="The model whose events it receives; without one, all models of the organization.",
    )
    url = models.CharField("URL", max_length=MAX_URL, validators=[validate_webhook_url])
    events = models.JSONField(validators=[validate_events], help_text="The names of the events that it receives.")
    # Stored in clear, because each message is signed with it.
    secret = models.CharField(max_length=100, default=new_webhook_secret, editable=False)
    is_active = models.BooleanField("active", default=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    consecutive_failures = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="The number of failed attempts since the last success."
    )
    paused_until = models.DateTimeField(
        null=True, editable=False, help_text="When the next attempt is allowed; null unless attempts fail."
    )
    sending_until = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When the lease of the current attempt ends, or when the last attempt ended.",
    )

    objects = WebhookQuerySet.as_manager()

    def __str__(self) -> str:
        return f"webhook {self.pk} of {self.organization}"


class WebhookDelivery(Job):
    """A message to a webhook, and the state of its delivery."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.CharField(max_length=40)
    payload = models.TextField(help_text="The body of each attempt.")
    last_status = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The status of the last response, if there was one."
    )
    last_answer = models.CharField(
        max_length=MAX_TEXT, blank=True, help_text="The beginning of the last response's body."
    )
    last_error = models.CharField(max_length=1000, blank=True, help_text="Why the message is not delivered.")

    objects = WebhookDeliveryQuerySet.as_manager()  # type: ignore[misc]  # replaces the base class's manager

    class Meta:
        verbose_name = "delivery"
        verbose_name_plural = "deliveries"
        constraints = [
            due_until_finished("delivery_due_until_finished"),
        ]
        indexes = [
            # Serves the workers, who look for a due message.
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="delivery_due"),
            # Serves the workers, who look for a webhook's message that has been due for longest.
            models.Index(
                fields=["webhook", "due_at"], condition=Q(due_at__isnull=False), name="delivery_due_of_webhook"
            ),
            # Serves the list of a webhook's deliveries, newest first, and the foreign key.
            models.Index(fields=["webhook", "-created_at", "-id"], name="deliveries_of_webhook"),
            # Serves the purge of old deliveries.
            models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="delivery_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.message_id}"

    @property
    def message_id(self) -> str:
        """The message's id, the same at each attempt, by which a receiver recognizes a repeated message."""
        return f"msg_{self.pk.hex}"

    @property
    def next_attempt_at(self) -> datetime | None:
        """When the message is sent next; `None` while it is being sent, and once it has ended."""
        return self.due_at if self.state == self.State.QUEUED else None
