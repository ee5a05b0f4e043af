"""How badges are asked for, made and shown."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from rest_framework import serializers

from models_registry.api.fields import (
    RelatedUsernameField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    UTCDateTimeField,
)
from models_registry.registry.serializers import MODEL_ID
from performance.badges.models import Badge
from performance.badges.selectors import signature_of
from performance.snapshots.models import MAX_METRIC_NAME, DatasetSplit
from performance.snapshots.query_serializers import PerformanceQuerySerializer

MAX_LIFETIME = 3650  # days
SPLIT_OF_METRIC = "Give a metric as well: a verdict is on the split of the policy."


class BadgeQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a badge: those of a read of performance, or the signature of a badge that was made."""

    metric = serializers.CharField(
        required=False,
        max_length=MAX_METRIC_NAME,
        trim_whitespace=False,
        help_text="The metric to show; by default the gate's verdict.",
    )
    dataset_split = serializers.ChoiceField(
        DatasetSplit.values,
        required=False,
        help_text="The split that the metric was measured on, by default `test`. A verdict is on the policy's.",
        error_messages={"invalid_choice": f"Must be one of {', '.join(DatasetSplit.values)}, in lower case."},
    )
    signature = serializers.CharField(
        required=False,
        trim_whitespace=False,
        help_text="Of a badge that an admin made, which says itself what it shows. It stands for a token.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what would mean nothing beside the rest."""
        if "signature" in attrs and len(attrs) > 1:
            raise serializers.ValidationError({"signature": "A signed badge says itself what it shows: give no more."})
        if "dataset_split" in attrs and "metric" not in attrs:
            raise serializers.ValidationError({"dataset_split": SPLIT_OF_METRIC})
        return attrs


class BadgeInput(StrictSerializer):
    """A new badge, to be looked at without a token. It is of whichever version is promoted."""

    metric = StrictCharField(
        required=False,
        max_length=MAX_METRIC_NAME,
        trim_whitespace=False,
        help_text="The metric to show; by default the gate's verdict.",
    )
    dataset_split = serializers.ChoiceField(
        DatasetSplit.choices, required=False, help_text="The split that the metric was measured on, by default `test`."
    )
    lifetime_days = StrictIntegerField(min_value=1, max_value=MAX_LIFETIME, help_text="After which it expires.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return what is to be stored, where a verdict has neither metric nor split. Raises `ValidationError`."""
        if "metric" in attrs:
            return {"dataset_split": DatasetSplit.TEST, **attrs}
        if "dataset_split" in attrs:
            raise serializers.ValidationError({"dataset_split": SPLIT_OF_METRIC})
        return {"metric": "", "dataset_split": "", **attrs}


class BadgeSerializer(serializers.Serializer[Any]):
    """A badge that may be looked at without a token until it expires or is revoked."""

    id = serializers.CharField()
    model_id = serializers.RegexField(MODEL_ID)
    metric = serializers.CharField(allow_null=True, help_text="Null for the gate's verdict.")
    dataset_split = serializers.ChoiceField(DatasetSplit.choices, allow_null=True)
    url = serializers.SerializerMethodField(help_text="Where the image is. Whoever has the URL may look at it.")
    created_by = RelatedUsernameField("created_by")
    created_at = UTCDateTimeField()
    expires_at = UTCDateTimeField()
    revoked_at = UTCDateTimeField(allow_null=True)

    def get_url(self, badge: Badge) -> str:
        """Return the signed URL of the image."""
        url = f"{reverse('performance-badge', args=[badge.model_id])}?{urlencode({'signature': signature_of(badge)})}"
        absolute: str = self.context["request"].build_absolute_uri(url)
        return absolute

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the badge, without metric and split where it is of the verdict."""
        shown = super().to_representation(instance)
        return {**shown, "metric": shown["metric"] or None, "dataset_split": shown["dataset_split"] or None}
