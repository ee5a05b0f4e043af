"""Registered models in the admin, with a page that shows how well each does."""

from django.contrib import admin
from django.urls import URLPattern, path

from models_registry.registry.admin import RegisteredModelAdmin
from models_registry.registry.models import RegisteredModel
from performance.overview.gate_views import GateView
from performance.overview.promotion_views import ArchiveView, PromoteView, RollBackView
from performance.overview.views import ModelOverviewView, ModelViewMixin


@admin.register(RegisteredModel)
class RegisteredModelWithOverviewAdmin(RegisteredModelAdmin):
    """Adds the page of a model's performance, and its promotion."""

    change_form_outer_before_template = "performance/overview/link.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the page and of what it offers, before those of the theme, which match any path."""
        urls: list[URLPattern] = super().get_urls()
        return [
            self._page("<str:object_id>/overview/", ModelOverviewView, "overview"),
            self._page("<str:object_id>/gate/<str:version_id>/", GateView, "gate"),
            self._page("<str:object_id>/promote/<str:version_id>/", PromoteView, "promote"),
            self._page("<str:object_id>/roll-back/", RollBackView, "roll_back"),
            self._page("<str:object_id>/archive/", ArchiveView, "archive"),
            *urls,
        ]

    def _page(self, route: str, view: type[ModelViewMixin], name: str) -> URLPattern:
        page = self.admin_site.admin_view(view.as_view(model_admin=self))
        url: URLPattern = path(route, page, name=f"models_registry_registeredmodel_{name}")
        return url
