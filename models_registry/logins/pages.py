"""The look of the pages about logging in: before the login a narrow column, after it a page of the admin."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

OUTSIDE_LAYOUT = "unfold/layouts/unauthenticated.html"
ADMIN_LAYOUT = "admin/base_site.html"
FORM_TEMPLATE = "models_registry/logins/form.html"


class Page:
    """What the pages have in common, as a mixin of Django's views."""

    request: HttpRequest

    template_name: str | None = FORM_TEMPLATE
    layout = ADMIN_LAYOUT
    title = ""
    explanation = ""
    submit = "Continue"

    @method_decorator(never_cache)
    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Return the page. No browser keeps it, as it may show a secret or who is logged in."""
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]  # Django's view
        return response

    def get_context_data(self, **context: object) -> dict[str, object]:
        """Return what the template shows."""
        shared = _shared(self.request, self.title, self.layout)
        own: dict[str, object] = super().get_context_data(**context)  # type: ignore[misc]  # Django's view
        page = {"title": self.title, "explanation": self.get_explanation(), "action": self.submit, "has_way_out": True}
        return shared | own | page

    def get_explanation(self) -> str:
        """Return the text above the form."""
        return self.explanation


def refusal(request: HttpRequest, text: str) -> HttpResponse:
    """Return a page that says why a login was refused."""
    context = _shared(request, "You are not logged in", OUTSIDE_LAYOUT) | {"explanation": text}
    return render(request, "models_registry/logins/message.html", context, status=403)


def _shared(request: HttpRequest, title: str, layout: str) -> dict[str, object]:
    return {**admin.site.each_context(request), "title": title, "layout": layout}
