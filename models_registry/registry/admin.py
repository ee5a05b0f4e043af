"""Models, versions and promotions in the admin."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import Field, QuerySet
from django.forms import ModelForm, TypedChoiceField
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from models_registry.accounts.model_admin import ScopedAdmin, ScopedInline, logged_in_user
from models_registry.accounts.scopes import Scope
from models_registry.api.model_admin import (
    ReadOnlyAdminMixin,
    RegistryInline,
    TimeRangeFilter,
    badge,
    link_to,
    nowrap,
    task_type_label,
)
from models_registry.registry.forms import RegisteredModelForm
from models_registry.registry.locks import lock_unarchived
from models_registry.registry.model_admin import (
    MODEL_STATE_COLORS,
    VERSION_STATE_COLORS,
    PromotedFilter,
    StateFilter,
    VersionRecordAdmin,
    promoted_badge,
)
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.querysets import RegisteredModelQuerySet
from models_registry.registry.services import register_model, update_model


class VersionInline(ReadOnlyAdminMixin, ScopedInline):
    """The versions of a model, newest first, in pages."""

    model = Version
    fk_name = "model"
    fields = readonly_fields = ("version", "promoted", "state_badge", "created_at", "completed_at")
    ordering = ("-number",)
    per_page = 20

    def get_queryset(self, request: HttpRequest) -> QuerySet[Version]:
        """Return the versions with their models, which know the promoted version."""
        versions: QuerySet[Version] = super().get_queryset(request)
        return versions.select_related("model")

    @admin.display(description="version")
    def version(self, version: Version) -> str:
        """Return a link to the version."""
        return link_to(version, version.version_id)

    @admin.display(description="promotion")
    def promoted(self, version: Version) -> str:
        """Mark the promoted version."""
        return promoted_badge(version)

    @admin.display(description="state")
    def state_badge(self, version: Version) -> str:
        """Return the state in its colour."""
        return badge(version.state, VERSION_STATE_COLORS[version.state])


class RegisteredModelAdmin(ScopedAdmin):
    """Registered models and their versions. The promoted version is read-only: only a promotion changes it.

    `performance` adds to this page, and registers it.
    """

    scopes = {"view": Scope.MODEL_READ, "add": Scope.ORGANIZATION_EDITOR, "change": Scope.MODEL_WRITE}
    owner_lookups = ("pk",)
    form = RegisteredModelForm

    list_display = ("name", "model_id", "organization", "task", "state", "promoted", "created_at")
    list_filter = (
        ("organization", AutocompleteSelectFilter),
        ("task_type", ChoicesDropdownFilter),
        StateFilter,
    )
    search_fields = ("name", "model_id", "description")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "pk")
    autocomplete_fields = ("organization",)
    fields = ("name", "organization", "task_type", "description")
    change_fieldsets = (
        (None, {"fields": ("model_id", "name", "organization", "task", "positive_class", "description", "tags")}),
        ("Status", {"fields": ("state", "promoted_version", "created_by", "created_at", "archived_at")}),
    )
    readonly_fields = (
        "model_id",
        "task",
        "positive_class",
        "tags",
        "state",
        "promoted_version",
        "created_by",
        "created_at",
        "archived_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[RegisteredModel]:
        """Return the models with their state, organization and promoted version."""
        models = cast("RegisteredModelQuerySet", super().get_queryset(request))
        return models.with_state().select_related("organization", "promoted_version__model", "created_by")

    def get_fieldsets(self, request: HttpRequest, obj: RegisteredModel | None = None) -> Any:
        """Return the fields of a new model with its task type, or all fields of an existing model."""
        return self.change_fieldsets if obj else super().get_fieldsets(request, obj)

    def formfield_for_choice_field(
        self, db_field: "Field[object, object]", request: HttpRequest, **kwargs: object
    ) -> TypedChoiceField | None:
        """Return the form field of the task type. It has no default, because it cannot change later."""
        choices = db_field.get_choices(blank_choice=[("", "Select a task type")])
        form_field: TypedChoiceField | None = super().formfield_for_choice_field(
            db_field, request, choices=choices, **kwargs
        )
        return form_field

    def get_inlines(self, request: HttpRequest, obj: RegisteredModel | None) -> tuple[type[RegistryInline], ...]:
        """Return the inline of versions for an existing model."""
        return (VersionInline,) if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: RegisteredModel | None = None) -> tuple[str, ...]:
        """Return the fields that the caller cannot set. A model stays in its organization, unless staff move it."""
        fields: tuple[str, ...] = tuple(super().get_readonly_fields(request, obj))
        return fields if obj is None or self.has_django_permission(request, "change") else (*fields, "organization")

    def has_change_permission(self, request: HttpRequest, obj: RegisteredModel | None = None) -> bool:
        """Return whether the caller may change models, or this model, which must not be archived."""
        return super().has_change_permission(request, obj) and not (obj and obj.archived_at)

    def save_model(
        self, request: HttpRequest, obj: RegisteredModel, form: "ModelForm[RegisteredModel]", change: bool
    ) -> None:
        """Store the model as the API does."""
        values = {name: form.cleaned_data[name] for name in (form.changed_data if change else form.cleaned_data)}
        if change:
            update_model(model=lock_unarchived(obj), **values)
        else:
            stored = register_model(**values, created_by=logged_in_user(request))
            obj.__dict__.update(stored.__dict__)

    @admin.display(description="task type", ordering="task_type")
    def task(self, model: RegisteredModel) -> str:
        """Return the task type's label."""
        return task_type_label(model.task_type)

    @admin.display(ordering="state")
    def state(self, model: RegisteredModel) -> str:
        """Return the derived state in its colour."""
        return badge(model.state, MODEL_STATE_COLORS[model.state])

    @admin.display(description="promoted", ordering="promoted_version__number")
    def promoted(self, model: RegisteredModel) -> str:
        """Return the id of the promoted version as a badge."""
        return badge(model.promoted_version.version_id, "primary") if model.promoted_version else ""


class VersionAdmin(ReadOnlyAdminMixin, VersionRecordAdmin):
    """Versions of models, newest first. `performance` adds to this page, and registers it."""

    version_number_lookup = "number"
    model_lookup = "model"
    search_fields = ("model",)
    list_display = ("version_id", "model", "organization", "promoted", "state_badge", "created_at", "completed_at")
    list_filter = (
        ("model__organization", AutocompleteSelectFilter),
        ("model__task_type", ChoicesDropdownFilter),
        ("state", ChoicesDropdownFilter),
        PromotedFilter,
        ("created_at", TimeRangeFilter),
    )
    ordering = ("-pk",)
    fields = (
        ("version_id", "state_badge"),
        ("model", "promoted"),
        ("organization", "created_at"),
        ("task", "completed_at"),
        ("source_uri", "created_by"),
        "description",
        ("parameters", "tags"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Version]:
        """Return the versions with their models and organizations."""
        versions: QuerySet[Version] = super().get_queryset(request)
        return versions.select_related("model__organization", "created_by")

    @admin.display(description="version", ordering="number")
    def version_id(self, version: Version) -> str:
        """Return the public id."""
        return nowrap(version.version_id)

    @admin.display(ordering="model__organization__name")
    def organization(self, version: Version) -> str:
        """Return the organization that owns the model."""
        return str(version.model.organization)

    @admin.display(description="task type")
    def task(self, version: Version) -> str:
        """Return the task type's label."""
        return task_type_label(version.model.task_type)

    @admin.display(description="promotion")
    def promoted(self, version: Version) -> str:
        """Mark the promoted version."""
        return promoted_badge(version)

    @admin.display(description="state", ordering="state")
    def state_badge(self, version: Version) -> str:
        """Return the state in its colour."""
        return badge(version.state, VERSION_STATE_COLORS[version.state])


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdminMixin, VersionRecordAdmin):
    """The history of promotions, newest first."""

    list_display = ("version_name", "model", "organization", "previous", "promoted_by", "promoted_at", "reason")
    model_lookup = "model"
    list_filter = (
        ("model__organization", AutocompleteSelectFilter),
        ("model__task_type", ChoicesDropdownFilter),
        ("promoted_by", AutocompleteSelectFilter),
        ("promoted_at", TimeRangeFilter),
    )
    ordering = ("-pk",)
    fields = (
        ("model", "organization"),
        ("version", "previous_version"),
        ("promoted_by", "promoted_at"),
        ("kind", "overridden"),
        "reason",
        "verdict",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Promotion]:
        """Return the promotions with their related records."""
        promotions: QuerySet[Promotion] = super().get_queryset(request)
        return promotions.select_related(
            "model__organization", "version__model", "previous_version__model", "promoted_by"
        )

    @admin.display(description="version", ordering="version__number")
    def version_name(self, promotion: Promotion) -> str:
        """Return the version's public id."""
        return nowrap(promotion.version.version_id)

    @admin.display(description="previous version", ordering="previous_version__number")
    def previous(self, promotion: Promotion) -> str:
        """Return the public id of the version that was promoted before, if there was one."""
        previous = promotion.previous_version
        return nowrap(previous.version_id) if previous else ""

    @admin.display(ordering="model__organization__name")
    def organization(self, promotion: Promotion) -> str:
        """Return the organization that owns the model."""
        return str(promotion.model.organization)
