"""Badges that anybody with their signed URL may see."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.badges.querysets import BadgeQuerySet
from performance.snapshots.models import MAX_METRIC_NAME, DatasetSplit


class Badge(models.Model):
    """An image of a metric's value or of the gate's verdict, shown without a token to whoever has its signed URL.

    It shows the version that is promoted when it is requested.
    """

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="badges")
    metric = models.CharField(
        max_length=MAX_METRIC_NAME, blank=True, help_text="The metric to show; empty for the gate's verdict."
    )
    dataset_split = models.CharField(
        max_length=10,
        choices=DatasetSplit.choices,
        blank=True,
        help_text="The split of the metric; empty for the gate's verdict.",
    )
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = BadgeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(metric="", dataset_split="") | (~Q(metric="") & Q(dataset_split__in=DatasetSplit.values)),
                name="badge_of_metric_on_split_or_of_verdict",
                violation_error_message="Give a metric and its split, or neither for the gate's verdict.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric or 'verdict'} of {self.model}"
