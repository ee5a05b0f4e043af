"""Badges as queryset methods."""

from typing import Any, Self

from django.db import models
from django.utils import timezone


class BadgeQuerySet(models.QuerySet[Any]):
    """Badges."""

    def active(self) -> Self:
        """Keep the badges that have neither expired nor been revoked."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())
