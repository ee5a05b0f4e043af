"""The URLs of the project."""

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpResponseBase
from django.templatetags.static import static
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

from config import health
from config.metrics.views import metrics
from config.schema import SchemaView
from performance.urls import most_requested


def _redirect(url: str) -> Callable[..., HttpResponseBase]:
    """Return a view that redirects browsers to a URL."""
    return csrf_exempt(RedirectView.as_view(url=url, http_method_names=("get", "head")))


urlpatterns = [
    *most_requested,
    path("api/v1/", include("performance.urls")),
    path("api/v1/", include("models_registry.urls")),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema", template_name="swagger.html"), name="docs"),
    path("api/redoc", SpectacularRedocView.as_view(url_name="schema", template_name="redoc.html"), name="redoc"),
    path("admin/", include("models_registry.logins.urls")),
    path("admin/", admin.site.urls),
    path("", _redirect("/admin/"), name="root"),
    path("favicon.ico", _redirect(static("models_registry/favicon.svg")), name="favicon"),
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
    path("metrics", metrics, name="metrics"),
]

handler400 = "config.problems.bad_request"
handler403 = "config.problems.permission_denied"
handler404 = "config.problems.page_not_found"
handler500 = "config.problems.server_error"
