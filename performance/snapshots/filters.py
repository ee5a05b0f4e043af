"""Filters of lists of snapshots."""

import django_filters
from django_filters.rest_framework import FilterSet

from performance.snapshots.models import DatasetSplit, MetricSnapshot


class SnapshotFilters(FilterSet):  # type: ignore[misc]  # the library is untyped
    """Filters of the list of a version's snapshots."""

    dataset_split = django_filters.ChoiceFilter(choices=DatasetSplit.choices, label="Only snapshots of this split.")

    class Meta:
        model = MetricSnapshot
        fields = ()
