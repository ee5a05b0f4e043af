"""Serializers of evaluations and of the worst examples."""

from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from models_registry.api.fields import (
    FieldOptions,
    StrictSerializer,
    TextFloatField,
    TextIntegerField,
    UTCDateTimeField,
)
from models_registry.api.strict_json import parse_json
from models_registry.registry.fields import ModelIdField, VersionIdField
from performance.evaluations.models import EvaluationJob, MisclassifiedExample, ResidualExample
from performance.evaluations.uploads import FORMATS, PredictionsFile
from performance.metrics.inputs.options import AVERAGINGS, MAX_K, MAX_LABEL_LENGTH, Columns, Options, parse_columns
from performance.metrics.result import MAX_DATASET_NAME
from performance.snapshots.dataset_names import AMBIGUOUS, is_dataset_name
from performance.snapshots.detail_serializers import EVALUATED_SNAPSHOT, SNAPSHOT
from performance.snapshots.models import DatasetSplit
from performance.snapshots.query_serializers import PageQuerySerializer
from performance.snapshots.serializers import shared_serializer

MAX_COLUMNS_LENGTH = 65_536  # characters of JSON
MAX_DATASET_LENGTH = 4_096


@extend_schema_field({"type": "string", "format": "binary"})
class PredictionsField(serializers.FileField):
    """A file of predictions. An empty file is accepted here: the evaluation then reports that it has no rows."""

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(allow_empty_file=True, **options)


@extend_schema_field({"type": "string", "maxLength": MAX_COLUMNS_LENGTH})
class ColumnsField(serializers.CharField):
    """The column mapping, as JSON text."""

    default_error_messages = {"too_long": f"Must be at most {MAX_COLUMNS_LENGTH} characters of JSON."}

    def to_internal_value(self, data: Any) -> Columns:  # type: ignore[override]  # not a string
        """Return the columns. Raises `ValidationError`."""
        text = super().to_internal_value(data)
        if len(text) > MAX_COLUMNS_LENGTH:
            self.fail("too_long")
        try:
            return parse_columns(parse_json(text.encode()))
        except ValueError as error:
            raise serializers.ValidationError(
                f"Not a valid JSON object of column names: {error}", code="invalid"
            ) from None


@dataclass(frozen=True, slots=True)
class NamedDataset:
    """A dataset; its name is empty for the primary one."""

    name: str = ""
    version: str | None = None


class UploadValues(TypedDict):
    """The validated values of an `EvaluationInput`."""

    file: PredictionsFile
    format: str | None
    dataset_split: str
    dataset: NamedDataset
    columns: Columns
    options: Options


@extend_schema_field({"type": "string", "maxLength": MAX_DATASET_LENGTH})
class DatasetField(serializers.CharField):
    """A dataset, as JSON text."""

    default_error_messages = {
        "not_a_dataset": 'Must be a JSON object such as {{"name": "churn-2026-10", "version": "3"}}: texts of 1 to '
        f"{{most}} characters without spaces around them; the version may be left out. {AMBIGUOUS}"
    }

    def to_internal_value(self, data: Any) -> NamedDataset:  # type: ignore[override]  # not a string
        """Return the dataset. Raises `ValidationError`."""
        text = super().to_internal_value(data)
        try:
            document = parse_json(text.encode()) if len(text) <= MAX_DATASET_LENGTH else None
        except ValueError:
            document = None
        if not isinstance(document, dict) or not {"name"} <= document.keys() <= {"name", "version"}:
            self.fail("not_a_dataset", most=MAX_DATASET_NAME)
        if not all(is_dataset_name(value) for value in document.values()):
            self.fail("not_a_dataset", most=MAX_DATASET_NAME)
        version = document.get("version")
        return NamedDataset(str(document["name"]), None if version is None else str(version))


class EvaluationInput(StrictSerializer):
    """The form that uploads predictions."""

    file = PredictionsField(
        help_text="Parquet, or CSV with a header; its cells are separated by commas, semicolons or tabs. CSV may be "
        "compressed by gzip if the file is named `.csv.gz` or `format` says so."
    )
    format = serializers.ChoiceField(
        FORMATS, required=False, help_text="The format of the file; by default as its name and content say."
    )
    dataset_split = serializers.ChoiceField(DatasetSplit.choices)
    dataset = DatasetField(
        required=False,
        help_text="The dataset, as a JSON object of its `name` and perhaps `version`; by default the primary one.",
    )
    columns = ColumnsField(
        required=False,
        help_text=(
            "A JSON object with the names of columns that differ from the default names: `actual`, `predicted`, "
            "`score`, `scores` (an object, by class), `weight`, `example_id`, `group`, `attributes` and `slices` "
            "(lists), and for rankings and forecasts `query`, `relevance`, `series`, `horizon`, `scale`. Names such as "
            "`y_true`, `y_pred`, `y_prob` and `proba_<label>` are known."
        ),
    )
    positive_class = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=MAX_LABEL_LENGTH,
        help_text="The positive class of two; by default the one that the model declares, or the greater label.",
    )
    averaging = serializers.ChoiceField(
        AVERAGINGS,
        required=False,
        help_text="How metrics of classes are averaged; by default `binary` for two labels and `weighted` for more.",
    )
    threshold = TextFloatField(
        required=False, help_text="Predict the positive one of two classes if the score is at least this."
    )
    allow_missing = serializers.ChoiceField(
        ["true", "false"],
        required=False,
        help_text="With `true`, rows without a prediction are left out and counted; otherwise they are an error.",
    )
    k = TextIntegerField(
        required=False,
        min_value=1,
        max_value=MAX_K,
        help_text="The number of items of a ranking that count; by default 10.",
    )

    def validate(self, attrs: dict[str, Any]) -> UploadValues:
        """Return the file and its format, the split, the dataset, the `columns` and the `options`."""
        names = ("positive_class", "averaging", "threshold", "k")
        options = {name: attrs[name] for name in names if name in attrs}
        return {
            "file": attrs["file"],
            "format": attrs.get("format"),
            "dataset_split": attrs["dataset_split"],
            "dataset": attrs.get("dataset", NamedDataset()),
            "columns": attrs.get("columns", Columns()),
            "options": Options(**options, allow_missing=attrs.get("allow_missing") == "true"),
        }


class EvaluationSerializer(serializers.Serializer[EvaluationJob]):
    """An evaluation: its state, and its result or problem."""

    id = serializers.UUIDField()
    model_id = ModelIdField(source="version.model_id")
    version_id = VersionIdField(source="version.version_id")
    dataset_split = serializers.ChoiceField(DatasetSplit.values)
    state = serializers.ChoiceField(EvaluationJob.State.values)
    progress = serializers.FloatField(min_value=0, max_value=1, help_text="The approximate progress, from 0 to 1.")
    worker_alive = serializers.BooleanField(
        allow_null=True,
        help_text="Whether any worker is alive to take a queued evaluation, which waits since `created_at`; otherwise "
        "null. If it is false, ask the operator.",
    )
    snapshot = serializers.SerializerMethodField(
        allow_null=True, help_text="The stored snapshot; null until the evaluation has succeeded."
    )
    problem = serializers.SerializerMethodField(
        allow_null=True, help_text="Why the evaluation failed, as a problem document; null otherwise."
    )
    created_at = UTCDateTimeField()
    started_at = UTCDateTimeField(allow_null=True)
    finished_at = UTCDateTimeField(allow_null=True)

    @extend_schema_field(SNAPSHOT.one)
    def get_snapshot(self, job: EvaluationJob) -> dict[str, object] | None:
        """Return the snapshot without its confusion matrix."""
        if job.snapshot is None:
            return None
        serializer = shared_serializer(EVALUATED_SNAPSHOT[job.version.model.task_type])
        representation: dict[str, object] = serializer.to_representation(job.snapshot)
        return representation

    @extend_schema_field({"$ref": "#/components/schemas/Problem"})
    def get_problem(self, job: EvaluationJob) -> dict[str, object] | None:
        """Return the problem document."""
        document: dict[str, object] | None = job.problem and self.context["problem_of"](job)
        return document


class MisclassificationQuerySerializer(PageQuerySerializer):
    """The query parameters of the list of wrong predictions."""

    actual = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, help_text="Only examples of this class."
    )
    predicted = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, help_text="Only examples predicted as this class."
    )
    min_confidence = TextFloatField(
        required=False, min_value=0, max_value=1, help_text="Only examples predicted with at least this confidence."
    )


class MisclassificationSerializer(serializers.Serializer[MisclassifiedExample]):
    """An example that was predicted as the wrong class."""

    example_id = serializers.CharField(
        allow_null=True, help_text="The id of the example; null if the predictions have no ids."
    )
    actual = serializers.CharField()
    predicted = serializers.CharField()
    confidence = serializers.FloatField(allow_null=True, help_text="The probability given to the predicted class.")
    attributes = serializers.DictField(child=serializers.CharField(allow_null=True), source="named_attributes")


class ResidualSerializer(serializers.Serializer[ResidualExample]):
    """An example with a large error."""

    example_id = serializers.CharField(
        allow_null=True, help_text="The id of the example; null if the predictions have no ids."
    )
    actual = serializers.FloatField()
    predicted = serializers.FloatField()
    residual = serializers.FloatField(help_text="`predicted - actual`, in the target's unit.")
    attributes = serializers.DictField(child=serializers.CharField(allow_null=True), source="named_attributes")
