"""Serializers of badges."""

from rest_framework import serializers

from models_registry.api.fields import (
    RelatedUsernameField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    UTCDateTimeField,
)
from models_registry.registry.fields import ModelIdField
from performance.badges.models import Badge
from performance.badges.selectors import badge_path
from performance.snapshots.models import MAX_METRIC_NAME, DatasetSplit
from performance.snapshots.query_serializers import PerformanceQuerySerializer

MAX_LIFETIME = 3650  # days
SPLIT_OF_METRIC = "Give a metric as well: a verdict always uses the split and the dataset of the policy."


class BadgeQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a badge: a metric, version and split, or the signature of a stored badge."""

    metric = serializers.CharField(
        required=False,
        max_length=MAX_METRIC_NAME,
        trim_whitespace=False,
        help_text="The metric to show; by default the gate's verdict.",
    )
    dataset_split = serializers.ChoiceField(
        DatasetSplit.values,
        required=False,
        help_text="The split of the metric; by default `test`. A verdict uses the split of the policy.",
    )
    signature = serializers.CharField(
        required=False,
        trim_whitespace=False,
        help_text="The signature of a badge that an admin created. It replaces the token and the other parameters.",
    )

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """Refuse other parameters together with a signature, and a split or dataset without a metric."""
        if "signature" in attrs and len(attrs) > 1:
            raise serializers.ValidationError(
                {"signature": "A signed badge fixes what it shows: send no other parameters."}
            )
        if "metric" not in attrs and (without := attrs.keys() & {"dataset_split", "dataset"}):
            raise serializers.ValidationError(dict.fromkeys(without, SPLIT_OF_METRIC))
        return attrs


class BadgeInput(StrictSerializer):
    """A new badge, shown without a token. It shows the version that is promoted when it is requested."""

    metric = StrictCharField(
        required=False,
        max_length=MAX_METRIC_NAME,
        trim_whitespace=False,
        help_text="The metric to show; by default the gate's verdict.",
    )
    dataset_split = serializers.ChoiceField(
        DatasetSplit.choices,
        required=False,
        help_text="The split of the metric; by default `test`.",
    )
    lifetime_days = StrictIntegerField(
        min_value=1, max_value=MAX_LIFETIME, help_text="The number of days until the badge expires."
    )

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        """Return the values to store; metric and split are empty for a verdict. Raises `ValidationError`."""
        if "metric" in attrs:
            return {"dataset_split": DatasetSplit.TEST, **attrs}
        if "dataset_split" in attrs:
            raise serializers.ValidationError({"dataset_split": SPLIT_OF_METRIC})
        return {"metric": "", "dataset_split": "", **attrs}


class BadgeSerializer(serializers.Serializer[Badge]):
    """A badge that is shown without a token until it expires or is revoked."""

    id = serializers.CharField()
    model_id = ModelIdField()
    metric = serializers.CharField(allow_null=True, help_text="Null for the gate's verdict.")
    dataset_split = serializers.ChoiceField(DatasetSplit.choices, allow_null=True)
    url = serializers.SerializerMethodField(help_text="The signed URL of the image. Whoever has it can see the badge.")
    created_by = RelatedUsernameField("created_by")
    created_at = UTCDateTimeField()
    expires_at = UTCDateTimeField()
    revoked_at = UTCDateTimeField(allow_null=True)

    def get_url(self, badge: Badge) -> str:
        """Return the signed URL of the image."""
        absolute: str = self.context["request"].build_absolute_uri(badge_path(badge))
        return absolute

    def to_representation(self, instance: Badge) -> dict[str, object]:
        """Return the badge. The metric and the split of a verdict are null."""
        values = super().to_representation(instance)
        return {**values, "metric": values["metric"] or None, "dataset_split": values["dataset_split"] or None}
