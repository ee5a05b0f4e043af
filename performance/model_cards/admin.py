"""Model cards in the admin, for people without a token."""

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import content_disposition_header

from models_registry import task_types
from models_registry.registry.models import Version
from performance.model_cards.renderers import RENDERERS
from performance.model_cards.selectors import model_card
from performance.snapshots.admin import VersionWithSnapshotsAdmin

CONTENT_TYPES = {"html": "text/html", "markdown": "text/markdown"}


@admin.register(Version)
class VersionWithCardAdmin(VersionWithSnapshotsAdmin):
    """Adds the model card to the page of a version."""

    readonly_fields = (*VersionWithSnapshotsAdmin.readonly_fields, "model_card")

    def get_fields(self, request: HttpRequest, obj: Version | None = None) -> tuple[str | tuple[str, ...], ...]:
        """Add the links to the card."""
        return (*super().get_fields(request, obj), "model_card")

    def get_urls(self) -> list[URLPattern]:
        """Return the URL of the card, before those of the theme, which match any path."""
        view = self.admin_site.admin_view(self.card_view)
        card = path("<str:object_id>/model-card/<str:form>/", view, name="models_registry_version_model_card")
        return [card, *super().get_urls()]

    def card_view(self, request: HttpRequest, object_id: str, form: str) -> HttpResponseBase:
        """Return the card of a version that the caller may see, as a page or to save as Markdown. Raises `Http404`."""
        version = self.get_object(request, unquote(object_id))
        if not isinstance(version, Version) or form not in RENDERERS:
            raise Http404
        try:
            text = RENDERERS[form](model_card(version))
        except task_types.UnknownTaskTypeError as error:
            raise Http404(str(error)) from error
        name = content_disposition_header(form != "html", f"{version.model_id}-{version.version_id}.md")
        headers = {"Content-Disposition": name} if name else {}
        return HttpResponse(text, content_type=f"{CONTENT_TYPES[form]}; charset=utf-8", headers=headers)

    @admin.display(description="model card")
    def model_card(self, version: Version) -> str:
        """Return links to the card."""
        page, file = (
            reverse("admin:models_registry_version_model_card", args=[version.pk, form])
            for form in ("html", "markdown")
        )
        return format_html(
            '<a href="{}" class="text-link">Show</a> · <a href="{}" class="text-link">Download as Markdown</a>',
            page,
            file,
        )
