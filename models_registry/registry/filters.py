"""Filters for the lists of models and versions."""

import django_filters
from django.db.models import Q, QuerySet
from django_filters.rest_framework import FilterSet

from models_registry import task_types
from models_registry.api.filters import MAX_SEARCH
from models_registry.registry.models import RegisteredModel, Version


class ModelFilters(FilterSet):  # type: ignore[misc]  # the library is untyped
    """Filters for the list of models."""

    organization = django_filters.CharFilter(
        "organization__slug", max_length=63, strip=False, label="The organization's slug."
    )
    task_type = django_filters.ChoiceFilter(choices=task_types.choices(), label="The task type.")
    state = django_filters.ChoiceFilter(choices=RegisteredModel.State.choices, label="The derived state.")
    name = django_filters.CharFilter(max_length=200, strip=False, label="The whole name.")
    search = django_filters.CharFilter(
        method="filter_by_text",
        max_length=MAX_SEARCH,
        strip=False,
        label="A part of the name, id or description, in any case.",
    )

    class Meta:
        model = RegisteredModel
        fields = ()

    def filter_by_text(self, models: QuerySet[RegisteredModel], name: str, value: str) -> QuerySet[RegisteredModel]:
        """Keep the models whose name, id or description contains the text."""
        return models.filter(Q(name__icontains=value) | Q(model_id__icontains=value) | Q(description__icontains=value))


class VersionFilters(FilterSet):  # type: ignore[misc]  # the library is untyped
    """Filters for the list of a model's versions."""

    state = django_filters.ChoiceFilter(choices=Version.State.choices, label="The version's state.")

    class Meta:
        model = Version
        fields = ()
