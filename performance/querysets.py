"""Reads of metric snapshots, as queryset methods."""

from typing import Any, Self

from django.db import models


class MetricSnapshotQuerySet(models.QuerySet[Any]):
    """Metric snapshots."""

    def newest_first(self) -> Self:
        """Order so that the snapshot that answers for its version and split comes first."""
        return self.order_by("-evaluated_at", "-id")

    def of(self, model_id: str, dataset_split: str, number: int | None = None) -> Self:
        """Keep the snapshots of one split of a model's completed versions, or of the version of this number."""
        snapshots = self.filter(version__model=model_id, version__state="completed", dataset_split=dataset_split)
        return snapshots if number is None else snapshots.filter(version__number=number)

    def recording(self, metric: str, column: str) -> Self:
        """Keep the snapshots that have a metric in a column."""
        return self.filter(**{f"{column}__has_key": metric})

    def slim(self) -> Self:
        """Leave out what of a snapshot's detail may be large, and few readers want."""
        return self.defer("detail__confusion_matrix", "detail__curves")

    def promoted(self) -> Self:
        """Keep the snapshots of versions that their models have promoted."""
        return self.filter(version__promoted_in__isnull=False)


class GatePolicyQuerySet(models.QuerySet[Any]):
    """Policies of gates."""

    def newest_first(self) -> Self:
        """Order so that the policy that counts comes first; of one model or organization."""
        return self.order_by("-version")

    def in_force(self) -> Any:
        """Return the policy that counts, of one model or organization; `None` when it has none, or none any more."""
        newest = self.newest_first().first()
        return newest if newest and newest.document is not None else None
