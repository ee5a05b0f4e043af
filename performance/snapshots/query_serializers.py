"""The query parameters of requests for performance."""

from rest_framework import serializers

from models_registry.api.fields import NamedChoicesSerializer, TextIntegerField
from models_registry.api.pagination import MAX_PAGE_SIZE
from models_registry.registry.fields import VersionIdField
from performance.metrics.inputs.options import MAX_COLUMN_NAME_LENGTH
from performance.metrics.result import MAX_DATASET_NAME
from performance.metrics.statistics.rates import Normalization
from performance.snapshots.models import MAX_METRIC_NAME, DatasetSplit

MAX_OFFSET = 999_999  # small enough for an integer column of any database


class PerformanceQuerySerializer(NamedChoicesSerializer):
    """The query parameters of every request for performance."""

    version_id = VersionIdField(
        required=False,
        trim_whitespace=False,
        help_text="A version of this model; by default the promoted one.",
    )
    dataset_split = serializers.ChoiceField(
        DatasetSplit.values,
        default=DatasetSplit.TEST.value,
        help_text="The split that the metrics were measured on.",
    )
    dataset = serializers.CharField(
        required=False,
        max_length=MAX_DATASET_NAME,
        trim_whitespace=False,
        help_text="The dataset that the metrics were measured on, by name; by default the one without a name.",
    )


class ConfusionMatrixQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a confusion matrix."""

    normalize = serializers.ChoiceField(
        list(Normalization),
        required=False,
        help_text="Adds `rates`: the counts as shares of their row (`actual`), their column (`predicted`) or `all`.",
    )
    offset = TextIntegerField(
        default=0,
        min_value=0,
        max_value=MAX_OFFSET,
        help_text="The first row to return, from 0. The `next` link of a large matrix sets it.",
    )


class PageQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a list."""

    cursor = serializers.CharField(
        required=False,
        help_text="Where the page begins. Follow the `next` and `previous` links of a page instead of making one up.",
    )
    page_size = serializers.IntegerField(
        default=50, min_value=1, max_value=MAX_PAGE_SIZE, help_text="The number of rows in a page."
    )


class HistoryQuerySerializer(PageQuerySerializer):
    """The query parameters of a metric's history."""

    metric = serializers.CharField(
        max_length=MAX_METRIC_NAME,
        trim_whitespace=False,
        help_text="A summary metric of the task type, or a custom one.",
    )
    version_id = VersionIdField(
        required=False,
        trim_whitespace=False,
        help_text="A version of this model; by default all completed versions.",
        error_messages={"invalid": "Must be a version id such as ver-00001."},
    )


class SlicesQuerySerializer(PageQuerySerializer):
    """The query parameters of the slices by an attribute."""

    by = serializers.CharField(
        max_length=MAX_COLUMN_NAME_LENGTH,
        trim_whitespace=False,
        help_text="The attribute: a column that the evaluation was asked to slice by.",
    )
    order_by = serializers.CharField(
        max_length=MAX_METRIC_NAME,
        required=False,
        trim_whitespace=False,
        help_text="The summary metric whose worst value comes first; by default the first of the task type.",
    )
