"""Badges as queryset methods."""

from typing import Any, Self

from django.db import models
from django.utils import timezone


class BadgeQuerySet(models.QuerySet[Any]):
    """Badges that were made."""

    def shown(self) -> Self:
        """Keep those whose signed URL is still good."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())
