"""The form that imports a file over HTTP, and the summary that is the response."""

from rest_framework import serializers

from models_registry import task_types
from models_registry.api.fields import StrictSerializer
from models_registry.registry.fields import ModelIdField, VersionIdField
from performance.evaluations.serializers import PredictionsField
from performance.imports.document import SkippedItem
from performance.imports.formats import FORMATS
from performance.imports.services import CREATED, EXTENDED, UNCHANGED, ImportResult, ModelResult, VersionResult
from performance.snapshots.models import DatasetSplit

STATUSES = (CREATED, EXTENDED, UNCHANGED)


class ImportInput(StrictSerializer):
    """The form that imports a file."""

    format = serializers.ChoiceField(list(FORMATS), help_text="What wrote the file.")
    file = PredictionsField(help_text="The file, of at most 8 MiB.")
    model = serializers.CharField(
        required=False, max_length=200, help_text="The name of the model, if the file does not say one."
    )
    task_type = serializers.ChoiceField(
        task_types.choices(),
        required=False,
        help_text="The task type of new models; by default the one that the file or its metrics say.",
    )
    dataset_split = serializers.ChoiceField(
        DatasetSplit.choices,
        default=DatasetSplit.TEST,
        help_text="The split of metrics for which the file says none; by default test.",
    )
    dry_run = serializers.ChoiceField(
        ["true", "false"], default="false", help_text="With `true`, nothing is stored: the response says what would be."
    )


class ImportedVersionSerializer(serializers.Serializer[VersionResult]):
    """A version of the file. Its status is `extended` if it existed and got more snapshots."""

    version_id = VersionIdField()
    status = serializers.ChoiceField(STATUSES)
    snapshots_created = serializers.IntegerField()
    snapshots_unchanged = serializers.IntegerField()


class ImportedModelSerializer(serializers.Serializer[ModelResult]):
    """A model of the file. In a dry run, a model that would be created has no id."""

    model_id = ModelIdField(allow_null=True)
    name = serializers.CharField()
    task_type = serializers.ChoiceField(task_types.choices())
    status = serializers.ChoiceField(STATUSES)
    versions = ImportedVersionSerializer(many=True)


class SkippedItemSerializer(serializers.Serializer[SkippedItem]):
    """A part of the file that is left out, and why."""

    place = serializers.CharField()
    reason = serializers.CharField()


class ImportSerializer(serializers.Serializer[ImportResult]):
    """What an import did, or would do in a dry run."""

    format = serializers.ChoiceField(list(FORMATS))
    file = serializers.CharField()
    dry_run = serializers.BooleanField()
    created = serializers.DictField(
        child=serializers.IntegerField(), help_text="The numbers of new `models`, `versions` and `snapshots`."
    )
    unchanged = serializers.DictField(
        child=serializers.IntegerField(), help_text="The numbers of those that stay as they are."
    )
    models = ImportedModelSerializer(many=True)
    skipped = SkippedItemSerializer(many=True)
