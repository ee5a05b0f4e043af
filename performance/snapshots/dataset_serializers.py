"""Request and response bodies of datasets."""

from rest_framework import serializers

from models_registry.api.fields import DescriptionField, StrictSerializer, UTCDateTimeField
from performance.snapshots.fields import DatasetNameField
from performance.snapshots.models import Dataset, DatasetVersion


class NewDatasetInput(StrictSerializer):
    """A new dataset."""

    name = DatasetNameField()
    description = DescriptionField(required=False)


class DatasetVersionSerializer(serializers.Serializer[DatasetVersion]):
    """A version of a dataset, as snapshots name it."""

    version = serializers.CharField(allow_null=True, help_text="Null if it was not reported.")
    digest = serializers.CharField(allow_null=True, help_text="The SHA-256 of the examples; null if it is unknown.")
    first_seen_at = UTCDateTimeField()

    def to_representation(self, instance: DatasetVersion) -> dict[str, object]:
        """Return the version, with null for what is unknown."""
        return {name: value or None for name, value in super().to_representation(instance).items()}


class DatasetSerializer(serializers.Serializer[Dataset]):
    """A dataset, with the newest versions that snapshots have named."""

    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    versions = DatasetVersionSerializer(many=True, source="newest_versions")
    created_by = serializers.CharField(allow_blank=True, help_text="The name of the user who declared it.")
    created_at = UTCDateTimeField()
