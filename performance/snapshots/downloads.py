"""Download a table of a page of the admin as CSV, by the query parameter `csv`, which names it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.generic import TemplateView

from models_registry.api.csv_responses import csv_download
from performance.formatting import NumberText
from performance.metrics.statistics.intervals import IntervalDocument

PARAMETER = "csv"
ENDS = {1: ("",), 2: (", lower", ", upper"), 3: ("", ", lower", ", upper")}  # of headers, by the numbers in a cell


class NamedTable(Protocol):
    """A table with a title that no other table of the page has."""

    @property
    def title(self) -> str:
        """What the link names."""

    @property
    def headers(self) -> Sequence[str]:
        """The columns."""

    @property
    def rows(self) -> Sequence[Sequence[object]]:
        """The values, of any type that JSON has, or times."""


@dataclass(frozen=True, slots=True)
class Download:
    """A table whose file has other columns than the page, such as a number instead of a bar."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]


def requested_table(
    request: HttpRequest, context: dict[str, Any], tables: Iterable[NamedTable | None]
) -> HttpResponseBase | None:
    """Return the table that the address names, or `None` if it asks for the page. Raises `Http404`.

    The page, which has the context, then shows a link beside each of its tables.
    """
    context["has_downloads"] = True
    title = request.GET.get(PARAMETER)
    if title is None:
        return None
    found = next((each for each in tables if each and each.title == title), None)
    if found is None:
        raise Http404
    return csv_download(f"{context.get('title', '')} {title}", *_in_full(found))


def _in_full(table: NamedTable) -> tuple[list[str], list[list[object]]]:
    """Return the headers and rows of a table with all digits of its numbers, and a column for each of them."""
    rows = [[_numbers(cell) for cell in row] for row in table.rows]
    widths = [max((len(row[at]) for row in rows), default=1) for at in range(len(table.headers))]
    headers = [f"{header}{end}" for header, width in zip(table.headers, widths, strict=True) for end in ENDS[width]]
    return headers, [[*chain.from_iterable(map(_filled_up, row, widths))] for row in rows]


def _numbers(cell: object) -> tuple[object, ...]:
    return cell.numbers if isinstance(cell, NumberText) else (cell,)


def _filled_up(cells: Sequence[object], width: int) -> list[object]:
    return [*cells, *[None] * (width - len(cells))]


class DownloadMixin(TemplateView):
    """A page whose tables can be downloaded."""

    def get_downloads(self, context: dict[str, Any]) -> Iterable[NamedTable | None]:
        """Return the tables of the page, from its context."""
        raise NotImplementedError

    def render_to_response(self, context: dict[str, Any], **options: Any) -> Any:
        """Return the page, or the table that the address names."""
        table = requested_table(self.request, context, self.get_downloads(context))
        return table or super().render_to_response(context, **options)


def estimate_cells(value: float | None, interval: IntervalDocument | None) -> tuple[float | None, ...]:
    """Return a value and the ends of its interval."""
    return (value, interval["lower"], interval["upper"]) if interval else (value, None, None)


def estimate_headers(label: str) -> tuple[str, str, str]:
    """Return the headers of `estimate_cells`."""
    value, lower, upper = (f"{label}{end}" for end in ENDS[3])
    return value, lower, upper
