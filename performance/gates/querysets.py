"""Gate policies as queryset methods."""

from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from performance.gates.models import GatePolicy


class GatePolicyQuerySet(models.QuerySet["GatePolicy"]):
    """Gate policies."""

    def newest_first(self) -> Self:
        """Order the policies of one model or organization, the newest first."""
        return self.order_by("-version")

    def current(self) -> "GatePolicy | None":
        """Return the current policy of one model or organization; `None` if there is none, or it was withdrawn."""
        newest = self.newest_first().first()
        return newest if newest and newest.document is not None else None
