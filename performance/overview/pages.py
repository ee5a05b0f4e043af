"""What the pages of this folder share: addresses, and the numbers of pages."""

from collections.abc import Sequence

from django.urls import reverse

from models_registry.api.model_admin import MAX_LISTED

PAGE_SIZE = 50


def overview_url(model_id: str) -> str:
    """Return the address of a model's page."""
    return reverse("admin:models_registry_registeredmodel_overview", args=[model_id])


def adjacent_pages(number: int, rows: Sequence[object]) -> dict[str, int | None]:
    """Return the numbers of the pages before and after a page; 0 and `None` if there is none.

    `rows` are those of the page, and one more if there is a page after it.
    """
    has_next = len(rows) > PAGE_SIZE and number < MAX_LISTED // PAGE_SIZE
    return {"previous": number - 1, "next": number + 1 if has_next else None}
