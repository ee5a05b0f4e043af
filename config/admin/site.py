"""The admin site. Its search boxes offer only relations that the caller's pages use."""

from importlib import import_module
from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path
from unfold.sites import UnfoldAdminSite


class AdminSiteConfig(AdminConfig):
    """The admin app with our site."""

    default_site = "config.admin.site.RegistrySite"


class RegistrySite(UnfoldAdminSite):  # type: ignore[misc]  # the library is untyped
    """The theme's site with restricted search boxes."""

    def extra_urls(self) -> list[URLPattern]:
        """Return the URLs of the pages that belong to no list. The theme puts them before those of the lists."""
        pages = import_module("performance.comparison_pages.urls").PAGES  # it imports models, which load after this
        return [path(route, self.admin_view(view.as_view()), name=name) for route, view, name in pages]

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
    """Refuse relations that no page of the caller has a search box for."""

    admin_site: Any

    def process_request(self, request: HttpRequest) -> tuple[str, Any, Any, str]:
        """Return the term, the page, the relation and its target. Raises `PermissionDenied`."""
        asked = tuple(request.GET.get(name) for name in ("app_label", "model_name", "field_name"))
        if asked not in self._offered(request):
            raise PermissionDenied
        return super().process_request(request)

    def _offered(self, request: HttpRequest) -> set[tuple[str, str, str]]:
        pages = [page for page in self.admin_site._registry.values() if _may_open(page, request)]
        fields = [field for page in pages for field in page.autocompleted_fields(request)]
        return {(field.model._meta.app_label, field.model._meta.model_name, field.name) for field in fields}


def _may_open(page: Any, request: HttpRequest) -> bool:
    return bool(page.has_view_permission(request) or page.has_add_permission(request))
