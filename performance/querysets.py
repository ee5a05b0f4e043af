"""Reads of metric snapshots, as queryset methods."""

from typing import Any, Self

from django.db import models


class MetricSnapshotQuerySet(models.QuerySet[Any]):
    """Metric snapshots."""

    def newest_first(self) -> Self:
        """Order so that the snapshot that answers for its version and split comes first."""
        return self.order_by("-evaluated_at", "-id")

    def promoted(self) -> Self:
        """Keep the snapshots of versions that their models have promoted."""
        return self.filter(version__promoted_in__isnull=False)
