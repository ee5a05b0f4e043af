"""The admin site. Its search boxes offer only relations that the caller's pages use."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from django.apps import apps
from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.core.paginator import InvalidPage
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from unfold.sites import UnfoldAdminSite

Choices: TypeAlias = Callable[[HttpRequest, Any], QuerySet[Any] | None]


class AdminSiteConfig(AdminConfig):
    """The admin app with our site."""

    default_site = "config.admin.site.RegistrySite"


class RegistrySite(UnfoldAdminSite):  # type: ignore[misc]  # the library is untyped
    """The theme's site, which every person may enter. Each page decides what it shows to whom."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the caller is an active person. Service accounts only work with tokens."""
        return request.user.is_active and not getattr(request.user, "is_service_account", True)

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return the groups of links, and for each link whether the caller may see its page."""
        groups: list[dict[str, Any]] = super().get_sidebar_list(request)
        for item in (item for group in groups for item in group["items"] if "model" in item):
            page = self.get_model_admin(apps.get_model(item["model"]))
            item["has_permission"] = page.has_view_permission(request)
        return groups

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

    admin_site: Any
    choices: QuerySet[Any]

    def process_request(self, request: HttpRequest) -> tuple[str, Any, Any, str]:
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

    def get_queryset(self) -> QuerySet[Any]:
        """Return the records that the search box offers and that match the term."""
        choices = self.choices.complex_filter(self.source_field.get_limit_choices_to())
        found, may_repeat = self.model_admin.get_search_results(
            self.request, choices.order_by(*self.model_admin.get_ordering(self.request)), self.term
        )
        return found.distinct() if may_repeat else found

    def _offers(self, request: HttpRequest) -> Iterator[tuple[Any, Choices]]:
        """Yield each relation with a search box on the named page, or on all pages, and what returns its records."""
        for page in filter(lambda page: _may_open(page, request), self.admin_site._registry.values()):
            label = page.opts.label_lower
            if request.GET.get("form", label) == label and "filter" not in request.GET:
                for each in (page, *page.get_inline_instances(request)):
                    yield from ((field, each.form_choices) for field in each.form_relations(request))
            if request.GET.get("filter", label) == label and "form" not in request.GET:
                yield from ((field, page.filter_choices) for field in page.filter_relations(request))


def _names(field: Any) -> tuple[str, str, str]:
    return field.model._meta.app_label, field.model._meta.model_name, field.name


def _may_open(page: Any, request: HttpRequest) -> bool:
    return bool(page.has_view_permission(request) or page.has_add_permission(request))
