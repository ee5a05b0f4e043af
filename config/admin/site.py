"""The admin site. Its search boxes offer only relations that the caller's pages use."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from django.apps import apps
from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.core.paginator import InvalidPage
from django.db.models import ForeignKey, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path
from unfold.sites import UnfoldAdminSite

if TYPE_CHECKING:  # both import models, which load after this
    from unfold.admin import ModelAdmin

    from models_registry.api.autocomplete import Relation

Choices: TypeAlias = "Callable[[HttpRequest, Relation], QuerySet[Model] | None]"


class Link(TypedDict, total=False):
    """What the site reads from a link of the theme, and adds to it."""

    model: str
    has_permission: bool


class LinkGroup(TypedDict):
    """A group of links of the theme."""

    items: list[Link]


class AdminSiteConfig(AdminConfig):
    """The admin app with our site."""

    default_site = "config.admin.site.RegistrySite"


class RegistrySite(UnfoldAdminSite):  # type: ignore[misc]  # the library is untyped
    """The theme's site, which every person may enter. Each page decides what it shows to whom."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the caller is an active person. Service accounts only work with tokens."""
        return request.user.is_active and not getattr(request.user, "is_service_account", True)

    def get_sidebar_list(self, request: HttpRequest) -> list[LinkGroup]:
        """Return the groups of links, and for each link whether the caller may see its page."""
        groups: list[LinkGroup] = super().get_sidebar_list(request)
        for item in (item for group in groups for item in group["items"] if "model" in item):
            page = self.get_model_admin(apps.get_model(item["model"]))
            item["has_permission"] = page.has_view_permission(request)
        return groups

    def login(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponseBase:
        """Show or take the login form. A password alone does not log in those who have a second factor."""
        from models_registry.logins.views import LoginView  # it imports models, which load after this

        return LoginView.as_view()(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponseBase:
        """Show or take the form of a new password. Wrong old ones count as failed logins."""
        from models_registry.logins.views import ChangePasswordView  # it imports models, which load after this

        context = self.each_context(request) | (extra_context or {})
        return ChangePasswordView.as_view(extra_context=context)(request)

    def extra_urls(self) -> list[URLPattern]:
        """Return the URLs of the pages that belong to no list. The theme puts them before those of the lists."""
        pages = import_module("performance.comparison_pages.urls").PAGES  # it imports models, which load after this
        return [path(route, self.admin_view(view.as_view()), name=name) for route, view, name in pages]

    def index(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponseBase:
        """Show the start page, or send its models as CSV."""
        start_page = import_module("performance.overview.start_page")  # it imports models, which load after this
        page: HttpResponseBase = start_page.models_as_csv(request) or super().index(request, extra_context)
        return page

    def search(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        """List the pages whose names match. Raises `Http404` beyond the last page of results."""
        try:
            response: HttpResponse = super().search(request, extra_context)
        except InvalidPage as error:
            raise Http404 from error
        return response

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        """List the records that match the term in a search box."""
        return RestrictedAutocompleteView.as_view(admin_site=self)(request)


class RestrictedAutocompleteView(AutocompleteJsonView):
    """Lists what the search box of one of the caller's pages offers, and refuses other relations.

    The box names its page in the parameter `form` or `filter`.
    """

    admin_site: RegistrySite
    choices: QuerySet[Model]

    def process_request(self, request: HttpRequest) -> "tuple[str, ModelAdmin, ForeignKey[Model, Model], str]":
        """Return the term, the page, the relation and its target. Raises `PermissionDenied`."""
        asked = tuple(request.GET.get(name) for name in ("app_label", "model_name", "field_name"))
        offered = (choices(request, field) for field, choices in self._offers(request) if _names(field) == asked)
        choices = next((each for each in offered if each is not None), None)
        if choices is None:
            raise PermissionDenied
        self.choices = choices
        return super().process_request(request)

    def has_perm(self, request: HttpRequest, obj: object = None) -> bool:
        """Return `True`: the relation is one that a page of the caller offers."""
        return True

    def get_queryset(self) -> QuerySet[Model]:
        """Return the records that the search box offers and that match the term."""
        choices = self.choices.complex_filter(self.source_field.get_limit_choices_to())
        found, may_repeat = self.model_admin.get_search_results(
            self.request, choices.order_by(*self.model_admin.get_ordering(self.request)), self.term
        )
        return found.distinct() if may_repeat else found

    def _offers(self, request: HttpRequest) -> "Iterator[tuple[Relation, Choices]]":
        """Yield each relation with a search box on the named page, or on all pages, and what returns its records."""
        for page in filter(lambda page: _may_open(page, request), self.admin_site._registry.values()):
            label = page.opts.label_lower
            if request.GET.get("form", label) == label and "filter" not in request.GET:
                for each in (page, *page.get_inline_instances(request)):
                    yield from ((field, each.form_choices) for field in each.form_relations(request))
            if request.GET.get("filter", label) == label and "form" not in request.GET:
                yield from ((field, page.filter_choices) for field in page.filter_relations(request))


def _names(field: "Relation") -> tuple[str, str | None, str]:
    return field.model._meta.app_label, field.model._meta.model_name, field.name


def _may_open(page: "ModelAdmin", request: HttpRequest) -> bool:
    return bool(page.has_view_permission(request) or page.has_add_permission(request))
