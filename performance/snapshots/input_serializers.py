"""The bodies in which clients report metrics."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from models_registry.api.fields import (
    MAX_QUOTED_NAME,
    NAME_VALIDATORS,
    BoundedDictField,
    BoundedListField,
    SharedFieldsMixin,
    StrictCharField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializer,
    UTCDateTimeField,
)
from performance.metrics.inputs.options import AVERAGINGS, MAX_K
from performance.metrics.statistics.confidence import CONFIDENCE_LEVEL
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.fields import DatasetNameField
from performance.snapshots.metric_names import CUSTOM_NAME, CUSTOM_NAME_IS
from performance.snapshots.models import CLOCK_SKEW, DatasetSplit

MAX_COUNT = 2**63 - 1
MAX_CELL = 2**53
MAX_LABELS = 1000
MAX_METRICS = 100
MAX_LABEL = 200  # characters
MAX_INTERVALS = 1000
MAX_METHOD = 100  # characters
MAX_BATCH = 1000  # snapshots
MAX_BATCH_MATRICES = 20  # as the intervals that follow from each take up to a tenth of a second


@extend_schema_field({"type": "object", "additionalProperties": {"type": "number", "nullable": True}})
class ReportedMetricsField(BoundedDictField):
    """Metrics of the model's task type, by name. They are validated later, when the model is known."""


class CustomMetricsField(BoundedDictField):
    """Up to a hundred custom metrics, by name: finite numbers."""

    child = StrictFloatField()
    default_error_messages = {
        "name": f"A name is {CUSTOM_NAME_IS}.",
    }

    def to_internal_value(self, data: object) -> dict[str, float]:
        """Return the metrics. Raises `ValidationError`."""
        metrics: dict[str, float] = super().to_internal_value(data)
        if invalid := [name for name in metrics if not CUSTOM_NAME.fullmatch(name)]:
            message = serializers.ErrorDetail(str(self.error_messages["name"]), code="name")
            raise serializers.ValidationError({name[:MAX_QUOTED_NAME]: [message] for name in invalid})
        return metrics


class CountsField(BoundedListField):
    """A row of counts. A matrix may have a million: each is validated by itself only if the row has an invalid one."""

    def run_child_validation(self, data: Iterable[object]) -> list[object]:
        """Return the counts. Raises `ValidationError`."""
        counts = list(data)
        if all(type(count) is int and 0 <= count <= MAX_CELL for count in counts):
            return counts
        return super().run_child_validation(counts)


class ConfusionMatrixInput(StrictSerializer):
    """How often examples of each class were predicted as each class."""

    labels = BoundedListField(child=StrictCharField(max_length=MAX_LABEL), min_length=2, max_length=MAX_LABELS)
    counts = BoundedListField(
        child=CountsField(child=StrictIntegerField(min_value=0, max_value=MAX_CELL), max_length=MAX_LABELS),
        max_length=MAX_LABELS,
        help_text="`counts[actual][predicted]`, in the order of the labels.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse repeated labels, and counts without exactly one row and one column for each label."""
        labels, counts = attrs["labels"], attrs["counts"]
        if len(set(labels)) < len(labels):
            raise serializers.ValidationError({"labels": "Each label may be given once."})
        if len(counts) != len(labels) or any(len(row) != len(labels) for row in counts):
            raise serializers.ValidationError({"counts": f"Must be {len(labels)} rows of {len(labels)} counts."})
        return attrs


class DatasetInput(StrictSerializer):
    """The dataset that metrics were measured on."""

    name = DatasetNameField()
    version = DatasetNameField(required=False)
    digest = serializers.RegexField(
        r"^[0-9a-f]{64}\Z",
        required=False,
        help_text="The SHA-256 of the examples, as 64 hexadecimal digits in lower case.",
        error_messages={"invalid": "Must be 64 hexadecimal digits in lower case."},
    )


class IntervalInput(StrictSerializer):
    """A confidence interval that someone reports. Rules judge 95% intervals, so there are no others."""

    lower = StrictFloatField()
    upper = StrictFloatField()
    level = StrictFloatField(default=CONFIDENCE_LEVEL)
    method = StrictCharField(default="reported", max_length=MAX_METHOD, validators=NAME_VALIDATORS)

    def validate_level(self, value: float) -> float:
        """Refuse other levels: an interval of another level cannot be converted without knowing its method."""
        if value != CONFIDENCE_LEVEL:
            raise serializers.ValidationError(
                f"Must be {CONFIDENCE_LEVEL}. Report that interval, or the standard error instead."
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> Interval:
        """Return the interval. Raises `ValidationError` if its ends are swapped."""
        if attrs["lower"] > attrs["upper"]:
            raise serializers.ValidationError({"lower": f"Must be at most `upper`, which is {attrs['upper']!r}."})
        return Interval(**attrs)


class NumbersField(BoundedDictField):
    """Finite numbers by name."""

    child = StrictFloatField()


class IntervalsField(BoundedDictField):
    """Confidence intervals by metric."""

    child = IntervalInput()


class ClassMetricsField(BoundedDictField):
    """Metrics by class, then by name. Labels have at most 200 characters."""

    child = NumbersField(max_length=MAX_METRICS)
    default_error_messages = {"label": "A label has 1 to {max_length} characters."}

    def to_internal_value(self, data: object) -> dict[str, dict[str, float]]:
        """Return the metrics. Raises `ValidationError`."""
        classes: dict[str, dict[str, float]] = super().to_internal_value(data)
        if any(not 1 <= len(label) <= MAX_LABEL for label in classes):
            self.fail("label", max_length=MAX_LABEL)
        return classes


class EvaluationOptionsInput(StrictSerializer):
    """How the metrics were computed. Which options mean something follows from the task type."""

    positive_class = StrictCharField(required=False, max_length=MAX_LABEL)
    averaging = serializers.ChoiceField(AVERAGINGS, required=False)
    threshold = StrictFloatField(required=False)
    k = StrictIntegerField(required=False, min_value=1, max_value=MAX_K)


class SnapshotInput(SharedFieldsMixin, StrictSerializer):
    """The metrics of one evaluation of a version."""

    dataset_split = serializers.ChoiceField(DatasetSplit.choices)
    metrics = ReportedMetricsField(
        max_length=MAX_METRICS, help_text="Metrics of the task type. Omit a metric that was not recorded, or send null."
    )
    custom_metrics = CustomMetricsField(
        max_length=MAX_METRICS, required=False, help_text="Metrics that the task type does not know."
    )
    sample_count = StrictIntegerField(required=False, min_value=1, max_value=MAX_COUNT)
    confusion_matrix = ConfusionMatrixInput(
        required=False,
        help_text="Metrics that follow from it are added. A metric that contradicts it is refused.",
    )
    evaluated_at = UTCDateTimeField(required=False, help_text="By default now.")
    dataset = DatasetInput(required=False, help_text="By default the primary dataset, which has no name.")
    confidence_intervals = IntervalsField(
        max_length=MAX_INTERVALS,
        required=False,
        help_text="95% intervals, by metric, such as `accuracy` or `per_class.LABEL.recall`.",
    )
    standard_errors = NumbersField(
        max_length=MAX_INTERVALS,
        required=False,
        help_text="Standard errors of metrics without an interval, by metric. They become intervals.",
    )
    per_class = ClassMetricsField(
        max_length=MAX_LABELS, required=False, help_text="By class, then by metric; also `support`."
    )
    evaluation_options = EvaluationOptionsInput(required=False)

    def validate_evaluated_at(self, value: datetime) -> datetime:
        """Refuse a time in the future: the snapshot would stay the newest until then.

        A time within `CLOCK_SKEW` becomes now.
        """
        now = timezone.now().replace(microsecond=0)
        if value > now + CLOCK_SKEW:
            raise serializers.ValidationError("Must not be in the future.", code="future")
        return min(value, now)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a confusion matrix whose counts don't add up to `sample_count`, which defaults to their sum."""
        if "confusion_matrix" in attrs:
            total = sum(map(sum, attrs["confusion_matrix"]["counts"]))
            if not 1 <= total <= MAX_COUNT or attrs.setdefault("sample_count", total) != total:
                raise serializers.ValidationError(
                    {"confusion_matrix": f"Its counts sum up to {total}, not sample_count."}
                )
        return attrs


class SnapshotBatchInput(StrictSerializer):
    """The metrics of several evaluations of a version."""

    snapshots = BoundedListField(
        child=SnapshotInput(),
        min_length=1,
        max_length=MAX_BATCH,
        help_text=f"At most {MAX_BATCH_MATRICES} of them may have a confusion matrix.",
    )

    def validate_snapshots(self, value: list[dict[str, object]]) -> list[dict[str, object]]:
        """Refuse more confusion matrices than can be read in a few seconds."""
        if sum("confusion_matrix" in each for each in value) > MAX_BATCH_MATRICES:
            raise serializers.ValidationError(
                f"At most {MAX_BATCH_MATRICES} may have a confusion matrix. Report the others in further requests.",
                code="max_length",
            )
        return value
