"""How an evaluation is asked for and shown."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from models_registry.api.fields import StrictSerializer, UTCDateTimeField
from models_registry.api.strict_json import parse_json
from models_registry.registry import ids
from performance.evaluations.models import EvaluationJob
from performance.metrics.inputs.options import AVERAGINGS, MAX_K, MAX_LABEL, Columns, Options, columns_of
from performance.snapshots.detail_serializers import SNAPSHOT_ROW
from performance.snapshots.models import DatasetSplit
from performance.snapshots.query_serializers import PageQuerySerializer

MAX_COLUMNS_LENGTH = 65_536  # characters of JSON


@extend_schema_field({"type": "string", "format": "binary"})
class PredictionsField(serializers.FileField):
    """A file of predictions, which may be empty: the evaluation then says that it has no row."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_empty_file=True, **options)


@extend_schema_field({"type": "string", "maxLength": MAX_COLUMNS_LENGTH})
class ColumnsField(serializers.CharField):
    """The names of columns, as a JSON object."""

    default_error_messages = {"too_long": f"Must be at most {MAX_COLUMNS_LENGTH} characters of JSON."}

    def to_internal_value(self, data: Any) -> Any:
        """Return the columns. Raises `ValidationError`."""
        text = super().to_internal_value(data)
        if len(text) > MAX_COLUMNS_LENGTH:
            self.fail("too_long")
        try:
            return columns_of(parse_json(text.encode()))
        except ValueError as error:
            raise serializers.ValidationError(f"Not the names of columns as JSON: {error}", code="invalid") from None


class ThresholdField(serializers.FloatField):
    """A finite number. The library's own field takes `nan` for one."""

    def to_internal_value(self, data: Any) -> float:
        """Return the number. Raises `ValidationError`."""
        value = super().to_internal_value(data)
        if value - value != 0:
            self.fail("invalid")
        return value


class EvaluationInput(StrictSerializer):
    """The form with which predictions are uploaded."""

    file = PredictionsField(help_text="Parquet, or CSV with a header.")
    dataset_split = serializers.ChoiceField(DatasetSplit.choices)
    columns = ColumnsField(
        required=False,
        help_text=(
            "A JSON object that says which columns hold what, where they are not named so: `actual`, `predicted`, "
            "`score`, `scores` (an object, by class), `weight`, `example_id`, `attributes` (a list), and for rankings "
            "and forecasts `query`, `relevance`, `series`, `horizon`, `scale`."
        ),
    )
    positive_class = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=MAX_LABEL,
        help_text="By default the greater.",
    )
    averaging = serializers.ChoiceField(
        AVERAGINGS, required=False, help_text="By default binary for two labels, weighted for more."
    )
    threshold = ThresholdField(
        required=False, help_text="Predict the positive one of two classes from this score upwards."
    )
    allow_missing = serializers.ChoiceField(
        ["true", "false"], required=False, help_text="Leave out rows without a prediction, and count them."
    )
    k = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_K, help_text="After how many items a ranking is cut: 10."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the columns and the options as the evaluation takes them."""
        names = ("positive_class", "averaging", "threshold", "k")
        chosen = {name: attrs[name] for name in names if name in attrs}
        return {
            "file": attrs["file"],
            "dataset_split": attrs["dataset_split"],
            "columns": attrs.get("columns", Columns()),
            "options": Options(**chosen, allow_missing=attrs.get("allow_missing") == "true"),
        }


class EvaluationSerializer(serializers.Serializer[Any]):
    """An evaluation, and what has become of it."""

    id = serializers.UUIDField()
    model_id = serializers.RegexField(rf"^{ids.MODEL_ID_PATTERN}$", source="version.model_id")
    version_id = serializers.RegexField(rf"^{ids.VERSION_ID_PATTERN}$", source="version.version_id")
    dataset_split = serializers.ChoiceField(DatasetSplit.values)
    state = serializers.ChoiceField(EvaluationJob.State.values)
    progress = serializers.FloatField(min_value=0, max_value=1, help_text="About how much is done, from 0 to 1.")
    snapshot = serializers.SerializerMethodField(help_text="What came of it; null until it has succeeded.")
    problem = serializers.SerializerMethodField(help_text="Why it failed, as a problem document; null otherwise.")
    created_at = UTCDateTimeField()
    started_at = UTCDateTimeField(allow_null=True)
    finished_at = UTCDateTimeField(allow_null=True)

    @extend_schema_field(SNAPSHOT_ROW.one)
    def get_snapshot(self, job: EvaluationJob) -> dict[str, Any] | None:
        """Return the snapshot as lists have it."""
        if job.snapshot is None:
            return None
        return SNAPSHOT_ROW.represent(job.snapshot, job.version.model.task_type)

    @extend_schema_field({"$ref": "#/components/schemas/Problem"})
    def get_problem(self, job: EvaluationJob) -> dict[str, Any] | None:
        """Return the problem document."""
        document: dict[str, Any] | None = job.problem and self.context["problem_of"](job)
        return document


class ConfidenceField(serializers.FloatField):
    """A probability. The library's own field takes `nan` for a number, which is below no bound."""

    def to_internal_value(self, data: Any) -> float:
        """Return the probability. Raises `ValidationError`."""
        value = super().to_internal_value(data)
        if not 0 <= value <= 1:
            raise serializers.ValidationError("Must be a number from 0 to 1.", code="invalid")
        return value


class MisclassificationQuerySerializer(PageQuerySerializer):
    """The query parameters of the wrongly predicted examples."""

    actual = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, help_text="Only examples of this class."
    )
    predicted = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, help_text="Only examples predicted as this class."
    )
    min_confidence = ConfidenceField(
        required=False, min_value=0, max_value=1, help_text="Only examples predicted with so much confidence or more."
    )


class MisclassificationSerializer(serializers.Serializer[Any]):
    """An example of one class that was predicted as another."""

    example_id = serializers.CharField(allow_null=True, help_text="Its id, where the predictions had ids.")
    actual = serializers.CharField()
    predicted = serializers.CharField()
    confidence = serializers.FloatField(allow_null=True, help_text="The probability given to the predicted class.")
    attributes = serializers.DictField(child=serializers.CharField(allow_null=True), source="named_attributes")


class ResidualSerializer(serializers.Serializer[Any]):
    """An example with a large error."""

    example_id = serializers.CharField(allow_null=True, help_text="Its id, where the predictions had ids.")
    actual = serializers.FloatField()
    predicted = serializers.FloatField()
    residual = serializers.FloatField(help_text="predicted - actual, in the target's unit.")
    attributes = serializers.DictField(child=serializers.CharField(allow_null=True), source="named_attributes")
