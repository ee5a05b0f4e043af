"""Badges as queryset methods."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.utils import timezone

if TYPE_CHECKING:
    from performance.badges.models import Badge  # noqa: F401  # names the base class


class BadgeQuerySet(models.QuerySet["Badge"]):
    """Badges."""

    def active(self) -> Self:
        """Keep the badges that have neither expired nor been revoked."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())
