"""Shared parts of admin pages about models and versions: colours of states, filters, search by version id."""

from typing import Protocol, Self

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from models_registry.accounts.model_admin import ScopedAdmin
from models_registry.api.model_admin import RegistryAdmin, badge
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.querysets import RegisteredModelQuerySet

MAX_FOUND_MODELS = 100

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
    """Return a badge for a promoted version, or an empty text."""
    return badge("promoted", "primary") if version.model.promoted_version_id == version.pk else ""


class VersionRecordAdmin(ScopedAdmin):
    """The base of pages whose records belong to versions. There may be millions of them.

    Whoever may read a model may read them.

    The search box accepts ids of versions, and names and ids of models. It looks for models first, as a search through
    all records would take seconds.
    """

    version_number_lookup = "version__number"
    model_lookup = "version__model"
    search_fields = ("version",)  # makes the search box appear; see `get_search_results`
    search_help_text = (
        f"By version id, and by name or id of the model. Finds records of up to {MAX_FOUND_MODELS} models."
    )

    def get_owner_lookups(self) -> tuple[str, ...]:
        """Return the path to the model."""
        return (self.model_lookup,)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        """Keep the records of the versions with an id, and of the first models that have all other words."""
        words = search_term.split()
        version_ids = [word for word in words if ids.is_version_id(word)]
        for version_id in version_ids:
            queryset = queryset.filter(**{self.version_number_lookup: ids.version_number(version_id)})
        if others := [word for word in words if word not in version_ids]:
            models = self._searched_models(request).with_words(others).order_by("name", "pk")
            found = models.values_list("pk", flat=True)[:MAX_FOUND_MODELS]
            queryset = queryset.filter(**{f"{self.model_lookup}__in": list(found)})
        return queryset, False

    def _searched_models(self, request: HttpRequest) -> RegisteredModelQuerySet:
        models: RegisteredModelQuerySet = RegisteredModel.objects.all()
        if self.has_django_permission(request, "view", "change", "delete"):
            return models
        return models.permitting(self.scopes["view"], request.user.pk or 0)


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """Filters models by their derived state."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: RegistryAdmin) -> list[tuple[str, str]]:
        """Return the states."""
        return RegisteredModel.State.choices

    def queryset(self, request: HttpRequest, queryset: RegisteredModelQuerySet) -> RegisteredModelQuerySet:
        """Keep the models in the chosen state."""
        return queryset.filter(state=self.value()) if self.value() in RegisteredModel.State.values else queryset


class PromotableQuerySet(Protocol):
    """A queryset that can select the records of promoted versions."""

    def promoted(self) -> Self: ...


class PromotedFilter(DropdownFilter):  # type: ignore[misc]
    """Filters by promoted versions. The queryset must have a method `promoted`."""

    title = "promotion"
    parameter_name = "promoted"

    def lookups(self, request: HttpRequest, model_admin: RegistryAdmin) -> list[tuple[str, str]]:
        """Return the only choice besides "All"."""
        return [("yes", "Promoted")]

    def queryset(self, request: HttpRequest, queryset: PromotableQuerySet) -> PromotableQuerySet:
        """Keep the records of promoted versions if this is chosen."""
        return queryset.promoted() if self.value() == "yes" else queryset
