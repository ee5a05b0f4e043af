"""What admin pages about models and versions share: states, filters and the search by version id."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from models_registry.api.model_admin import RegistryAdmin, badge
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version

MODEL_STATE_COLORS: dict[str, str] = {
    RegisteredModel.State.DRAFT: "default",
    RegisteredModel.State.TRAINING: "info",
    RegisteredModel.State.READY: "success",
    RegisteredModel.State.ARCHIVED: "warning",
}
VERSION_STATE_COLORS: dict[str, str] = {
    Version.State.TRAINING: "info",
    Version.State.COMPLETED: "success",
    Version.State.FAILED: "danger",
}


def promoted_badge(version: Version) -> str:
    """Return the mark of a version that its model has promoted, or nothing."""
    return badge("promoted", "primary") if version.model.promoted_version_id == version.pk else ""


class VersionRecordAdmin(RegistryAdmin):
    """A page whose records belong to versions, so that its search box finds them by version ids."""

    version_number = "version__number"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the search fields and by the ids of versions."""
        words = search_term.split()
        version_ids = [word for word in words if ids.is_version_id(word)]
        for version_id in version_ids:
            queryset = queryset.filter(**{self.version_number: ids.version_number(version_id)})
        others = " ".join(word for word in words if word not in version_ids)
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, others)
        return found


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """Keeps the models in one derived state."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the states."""
        return RegisteredModel.State.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the models in the chosen state."""
        return queryset.filter(state=self.value()) if self.value() in RegisteredModel.State.values else queryset


class PromotedFilter(DropdownFilter):  # type: ignore[misc]
    """Keeps what belongs to promoted versions; the queryset has a method `promoted`."""

    title = "promotion"
    parameter_name = "promoted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one choice there is beside all."""
        return [("yes", "Promoted")]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Any]:
        """Keep what is of promoted versions, when asked to."""
        kept: QuerySet[Any] = queryset.promoted() if self.value() == "yes" else queryset
        return kept
