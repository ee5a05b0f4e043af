"""Gate policies as queryset methods."""

from typing import Any, Self

from django.db import models


class GatePolicyQuerySet(models.QuerySet[Any]):
    """Gate policies."""

    def newest_first(self) -> Self:
        """Order the policies of one model or organization, the newest first."""
        return self.order_by("-version")

    def current(self) -> Any:
        """Return the current policy of one model or organization; `None` if there is none, or it was withdrawn."""
        newest = self.newest_first().first()
        return newest if newest and newest.document is not None else None
