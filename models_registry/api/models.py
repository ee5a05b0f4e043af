"""Responses to requests with an `Idempotency-Key`."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone


class IdempotencyKey(models.Model):
    """The stored response to a POST with a key. A repeated request gets it again and changes nothing."""

    RETENTION = timedelta(hours=24)

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    route = models.CharField(max_length=255, help_text="The path of the POST request.")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="The SHA-256 of the request's body.")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # Also serves the lookup of a response.
            models.UniqueConstraint(fields=["user", "route", "key"], name="idempotency_key_once"),
        ]
        indexes = [
            # Serves the purge of old keys.
            models.Index(fields=["created_at"], name="idempotency_key_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"

    @property
    def is_current(self) -> bool:
        """Whether a repeated request still gets the response."""
        return self.created_at > timezone.now() - self.RETENTION
