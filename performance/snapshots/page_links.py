"""Show a list on a page of the admin a part at a time."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

Item = TypeVar("Item")


class LinkedPage(Generic[Item]):
    """A page of records, with the links to the pages before and after it.

    `parameter` is the query parameter of the page's number. All other parameters stay as they are.
    """

    def __init__(
        self, request: HttpRequest, records: "QuerySet[Model, Item] | Sequence[Item]", *, parameter: str, per_page: int
    ) -> None:
        self.query, self.parameter = request.GET, parameter
        self.page: Page[Item] = Paginator(records, per_page).get_page(request.GET.get(parameter))

    @property
    def previous_link(self) -> str:
        """The link to the page before; empty for the first page."""
        return self._link(self.page.number - 1) if self.page.has_previous() else ""

    @property
    def next_link(self) -> str:
        """The link to the page after; empty for the last page."""
        return self._link(self.page.number + 1) if self.page.has_next() else ""

    def _link(self, number: int) -> str:
        query = self.query.copy()
        query[self.parameter] = str(number)
        return f"?{query.urlencode()}"
