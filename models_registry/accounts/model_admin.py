"""Admin pages for everybody who has a role or a grant, with the same rights as over HTTP.

The rights of a page are the scopes of its actions. The queryset methods that decide over HTTP decide here too. Staff
whose Django permissions cover a page use it for the records of all organizations.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib.admin.utils import get_fields_from_path
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from models_registry.accounts.models import User
from models_registry.accounts.scopes import Scope
from models_registry.accounts.selectors import scopes_anywhere
from models_registry.api.autocomplete import AutocompleteMixin, Relation
from models_registry.api.model_admin import RegistryAdmin, RegistryInline
from models_registry.api.writes import Record

if TYPE_CHECKING:
    from django.db.models.fields.related import RelatedField
    from django.forms import ModelChoiceField

READ_MODELS = {"view": Scope.MODEL_READ}
NO_SUCH_USER = "There is no active user of that name."
ADMINISTER = dict.fromkeys(("view", "add", "change", "delete"), Scope.ORGANIZATION_ADMIN)


def logged_in_user(request: HttpRequest) -> User:
    """Return the person who is logged in. Raises `PermissionDenied` if nobody is."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


class ScopedMixin(AutocompleteMixin):
    """Gives callers without Django permissions what their scopes give them.

    `scopes` has the scope that each of `view`, `add`, `change` and `delete` needs; an action without one is for staff.
    """

    scopes: ClassVar[Mapping[str, Scope]] = READ_MODELS

    def has_scope(self, request: HttpRequest, action: str, record: Model | None = None) -> bool:
        """Return whether the caller has the action's scope on a record or, without one, on any."""
        raise NotImplementedError

    def has_django_permission(self, request: HttpRequest, *actions: str) -> bool:
        """Return whether the caller has the Django permission for one of the actions, on all records."""
        names = [f"{self.opts.app_label}.{get_permission_codename(action, self.opts)}" for action in actions]
        return any(map(request.user.has_perm, names))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the caller may see records, or this record."""
        return super().has_view_permission(request, obj) or self.has_scope(request, "view", obj)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether the caller may add records."""
        return super().has_add_permission(request, *args) or self.has_scope(request, "add", *args)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the caller may change records, or this record."""
        return super().has_change_permission(request, obj) or self.has_scope(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the caller may delete records, or this record."""
        return super().has_delete_permission(request, obj) or self.has_scope(request, "delete", obj)

    def form_choices(self, request: HttpRequest, field: Relation) -> QuerySet[Model] | None:
        """Return the records that a search box in the form offers: without Django permissions, those to add to."""
        if self.has_django_permission(request, "add", "change"):
            return super().form_choices(request, field)
        return permitted_choices(request, field, self.scopes.get("add"))

    def get_field_queryset(
        self, db: str | None, db_field: "RelatedField[Model, Model]", request: HttpRequest
    ) -> QuerySet[Model] | None:
        """Return the records that a submitted form may refer to, or `None` for all."""
        if self.has_django_permission(request, *_form_actions(request)):
            return super().get_field_queryset(db, db_field, request)
        choices = permitted_choices(request, db_field, self.scopes.get("add"))
        return db_field.related_model._default_manager.none() if choices is None else choices

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Return the relations with a search box. Users are named by those who may not see a list of them."""
        return [name for name in super().get_autocomplete_fields(request) if not self._is_named(request, name)]

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Model, Model]", request: HttpRequest, **options: object
    ) -> "ModelChoiceField[Model] | None":
        """Return the form field of a relation. Callers who may not see users enter a user name, as over HTTP."""
        if self._is_named(request, db_field.name):
            active = User.objects.filter(is_active=True)
            options |= {"widget": UnfoldAdminTextInputWidget(), "queryset": active, "to_field_name": "username"}
            options |= {"help_text": "The whole user name.", "error_messages": {"invalid_choice": NO_SUCH_USER}}
        return super().formfield_for_foreignkey(db_field, request, **options)

    def _is_named(self, request: HttpRequest, name: str) -> bool:
        if self.opts.get_field(name).related_model is not User:
            return False
        return not self.admin_site.get_model_admin(User).has_view_permission(request)


class ScopedAdmin(ScopedMixin, RegistryAdmin):
    """A page of records that belong to models or organizations.

    `owner_lookups` are the paths to these, such as `version__model`, or `pk` for the owners themselves. A caller has a
    right to a record if one of its owners gives it.
    """

    owner_lookups: tuple[str, ...] = ("model",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the records that the caller may see."""
        return self.viewable(request, super().get_queryset(request))

    def viewable(self, request: HttpRequest, records: QuerySet[Record]) -> QuerySet[Record]:
        """Keep the records that the caller may see."""
        if self.has_django_permission(request, "view", "change", "delete"):
            return records
        return self.permitting(records, self.scopes["view"], request.user.pk)

    def permitting(self, records: QuerySet[Record], scope: Scope, user_id: int | None) -> QuerySet[Record]:
        """Keep the records whose owners permit a scope to a user."""
        permitted = Q()
        for lookup in self.get_owner_lookups():
            owners = self._owner(lookup)._default_manager
            permitted |= Q(**{f"{lookup}__in": owners.keys_permitting(scope, user_id)})
        return records.filter(permitted)

    def changeable(self, request: HttpRequest, records: QuerySet[Record]) -> QuerySet[Record]:
        """Keep the records that the caller may change, for actions."""
        if self.has_django_permission(request, "change"):
            return records
        return self.permitting(records, self.scopes["change"], request.user.pk)

    def get_owner_lookups(self) -> tuple[str, ...]:
        """Return the paths from a record to its owners."""
        return self.owner_lookups

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the caller may see the page, for the lists of pages."""
        return super().has_module_permission(request) or self.has_scope(request, "view")

    def has_scope(self, request: HttpRequest, action: str, record: Model | None = None) -> bool:
        """Return whether the caller has the action's scope on a record or, without one, on any."""
        scope = self.scopes.get(action)
        if scope is None or scope not in scopes_anywhere(request.user):
            return False
        return record is None or record.pk is None or self.permits(request, scope, record)

    def permits(self, request: HttpRequest, scope: Scope, record: Model) -> bool:
        """Return whether the caller has a scope on a record. It is looked up once a request."""
        known = _permission_cache(request)
        key = (self.opts.label, scope, record.pk)
        if key not in known:
            named = self.model._default_manager.filter(pk=record.pk)
            known[key] = self.permitting(named, scope, request.user.pk).exists()
        return known[key]

    def filter_choices(self, request: HttpRequest, field: Relation) -> QuerySet[Model] | None:
        """Return the records that a filter offers: without Django permissions, those with the scope to view."""
        if self.has_django_permission(request, "view", "change"):
            return super().filter_choices(request, field)
        return permitted_choices(request, field, self.scopes["view"])

    def may_filter_by(self, request: HttpRequest, field: Relation) -> bool:
        """Return whether a filter has records to offer to the caller. It is looked up once a request."""
        if self.has_django_permission(request, "view", "change"):
            return super().may_filter_by(request, field)
        known = _permission_cache(request)
        key = (field.related_model._meta.label, self.scopes["view"])
        if key not in known:
            choices = self.filter_choices(request, field)
            known[key] = choices is not None and choices.exists()
        return known[key]

    def _owner(self, lookup: str) -> Any:
        return self.model if lookup == "pk" else get_fields_from_path(self.model, lookup)[-1].related_model


class ScopedInline(ScopedMixin, RegistryInline):
    """Records on the page of the model or organization that they belong to. That record decides on the rights."""

    def has_scope(self, request: HttpRequest, action: str, record: Model | None = None) -> bool:
        """Return whether the caller has the action's scope on the record of the page or, without one, on any."""
        scope = self.scopes.get(action)
        if scope is None or scope not in scopes_anywhere(request.user):
            return False
        page = cast(ScopedAdmin, self.admin_site.get_model_admin(self.parent_model))
        return record is None or record.pk is None or page.permits(request, scope, record)


def permitted_choices(
    request: HttpRequest, field: "RelatedField[Model, Model]", scope: Scope | None
) -> QuerySet[Model] | None:
    """Return the models or organizations on which the caller has a scope; `None` for records of another kind."""
    choices = field.related_model._default_manager
    if scope not in scopes_anywhere(request.user) or not hasattr(choices, "permitting"):
        return None
    return choices.permitting(scope, request.user.pk)  # type: ignore[no-any-return]


def _form_actions(request: HttpRequest) -> tuple[str, ...]:
    """Return the actions that a page offers in its form: the page of a record changes it, and adds to its inlines."""
    named = request.resolver_match.kwargs if request.resolver_match else {}
    return ("add", "change") if "object_id" in named else ("add",)


def _permission_cache(request: HttpRequest) -> dict[tuple[object, ...], bool]:
    """Return what was already looked up while answering this request."""
    answers: dict[tuple[object, ...], bool] = vars(request).setdefault("permitted_records", {})
    return answers
