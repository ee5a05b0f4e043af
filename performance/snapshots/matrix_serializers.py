"""Serializers of the confusion matrices of stored snapshots."""

from rest_framework import serializers
from rest_framework.utils.urls import replace_query_param

from models_registry import task_types
from models_registry.api.fields import AnyField, UTCDateTimeField
from models_registry.registry.fields import ModelIdField, VersionIdField
from performance.metrics.statistics.rates import Normalization
from performance.snapshots.matrix_selectors import MatrixPage
from performance.snapshots.models import DatasetSplit


class StoredListField(serializers.ListField):
    """A list that was validated when it was stored. It may have a million items, so it is not converted again."""

    def to_representation(self, data: list[object]) -> list[object]:
        """Return the list unchanged."""
        return data


class ConfusionMatrixSerializer(serializers.Serializer[dict[str, object]]):
    """How often examples of each class were predicted as each class."""

    labels = StoredListField(child=serializers.CharField())
    counts = StoredListField(child=serializers.ListField(child=serializers.IntegerField()))


class NextRowsField(serializers.URLField):
    """The URL of the next rows of a matrix; null after the last."""

    def get_attribute(self, instance: MatrixPage) -> str | None:
        if instance.next_offset is None:
            return None
        return replace_query_param(self.context["url"], "offset", instance.next_offset)


class RatesField(StoredListField):
    """The counts of a matrix as shares. `normalize` in the query names the total."""

    def get_attribute(self, instance: MatrixPage) -> list[list[float]]:
        return instance.rates(Normalization(self.context["normalize"]))


class StoredMatrixSerializer(serializers.Serializer[MatrixPage]):
    """The confusion matrix of a version on one split, with `rates` if `normalize` was given."""

    model_id = ModelIdField(source="snapshot.version.model_id")
    version_id = VersionIdField(source="snapshot.version.version_id")
    task_type = serializers.ChoiceField(
        [each.name for each in task_types.all_task_types() if each.has_classes],
        source="snapshot.version.model.task_type",
    )
    dataset_split = serializers.ChoiceField(DatasetSplit.values, source="snapshot.dataset_split")
    labels = StoredListField(child=serializers.CharField())
    offset = serializers.IntegerField(
        required=False,
        min_value=0,
        help_text="The index in `labels` of the first row. Present only if a large matrix is returned in parts.",
    )
    next = NextRowsField(
        required=False,
        allow_null=True,
        help_text="The URL of the next rows; null after the last. Present only if a large matrix is returned in parts.",
    )
    counts = StoredListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="`counts[actual][predicted]`, in the order of the labels.",
    )
    rates = RatesField(
        required=False,
        child=serializers.ListField(child=serializers.FloatField(min_value=0, max_value=1)),
        help_text="Only with `normalize`: the counts as shares.",
    )
    evaluated_at = UTCDateTimeField(source="snapshot.evaluated_at")

    def get_fields(self) -> dict[str, AnyField]:
        """Return the fields: `rates` only if it was asked for, `offset` and `next` only for a part of a matrix."""
        fields = super().get_fields()
        if "normalize" in self.context and self.context["normalize"] is None:
            del fields["rates"]
        if isinstance(self.instance, MatrixPage) and self.instance.is_whole:
            del fields["offset"], fields["next"]
        return fields
