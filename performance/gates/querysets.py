"""Gate policies as queryset methods."""

from typing import Any, Self

from django.db import models


class GatePolicyQuerySet(models.QuerySet[Any]):
    """Gate policies."""

    def newest_first(self) -> Self:
        """Order so that the policy that counts comes first; of one model or organization."""
        return self.order_by("-version")

    def in_force(self) -> Any:
        """Return the policy that counts, of one model or organization; `None` when it has none, or none any more."""
        newest = self.newest_first().first()
        return newest if newest and newest.document is not None else None
