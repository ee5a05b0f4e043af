"""The query parameters of reads of performance."""

from typing import Any

from rest_framework import serializers

from models_registry.api.pagination import MAX_PAGE_SIZE
from models_registry.registry.fields import VersionIdField
from performance.metrics.statistics.rates import Normalization
from performance.snapshots.models import DatasetSplit

MAX_OFFSET = 999_999  # a number that any database takes


class PerformanceQuerySerializer(serializers.Serializer[Any]):
    """The query parameters of every read of performance."""

    version_id = VersionIdField(
        required=False,
        trim_whitespace=False,
        help_text="A version of this model; by default the promoted one.",
    )
    dataset_split = serializers.ChoiceField(
        DatasetSplit.values,
        default=DatasetSplit.TEST.value,
        help_text="The split that the metrics were measured on.",
        error_messages={"invalid_choice": f"Must be one of {', '.join(DatasetSplit.values)}, in lower case."},
    )


class ConfusionMatrixQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a confusion matrix."""

    normalize = serializers.ChoiceField(
        list(Normalization),
        required=False,
        help_text="Adds `rates`: the counts as shares of their row (`actual`), of their column, or of all.",
        error_messages={"invalid_choice": f"Must be one of {', '.join(Normalization)}, in lower case."},
    )
    offset = serializers.IntegerField(
        default=0,
        min_value=0,
        max_value=MAX_OFFSET,
        help_text="Of a large matrix: the first row to answer with, from 0, as `next` has it.",
    )


class PageQuerySerializer(PerformanceQuerySerializer):
    """The query parameters of a list."""

    cursor = serializers.CharField(
        required=False, help_text="Where the page begins: from `next` or `previous` of another."
    )
    page_size = serializers.IntegerField(
        default=50, min_value=1, max_value=MAX_PAGE_SIZE, help_text="How many rows a page has."
    )


class HistoryQuerySerializer(PageQuerySerializer):
    """The query parameters of a metric's history."""

    metric = serializers.CharField(
        max_length=100, trim_whitespace=False, help_text="A summary metric of the task type, or a custom one."
    )
    version_id = VersionIdField(
        required=False,
        trim_whitespace=False,
        help_text="A version of this model; by default all that are completed.",
    )
