"""Responses that are tables as CSV."""

from collections.abc import Iterable, Mapping, Sequence

from django.http import HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.text import get_valid_filename, slugify

from models_registry.api import API_PREFIX
from models_registry.api.csv_tables import Row, csv_lines, csv_text
from models_registry.api.etags import with_etag

CONTENT_TYPE = "text/csv; charset=utf-8"
RELATIONS = {"next": "next", "previous": "prev"}  # the members of a page that are links, and their relations


def csv_page(path: str, rows: Sequence[Row], page: Mapping[str, object], columns: Sequence[str]) -> HttpResponse:
    """Return the rows of a page with an ETag, a name for the file, and the links to other pages.

    Args:
        path: the request's path, which names the file.
        rows: JSON objects.
        page: the document that contains the rows, and may contain `next` and `previous`.
        columns: the header of a page without rows.
    """
    links = [f'<{page[name]}>; rel="{relation}"' for name, relation in RELATIONS.items() if page.get(name)]
    name = get_valid_filename(path.removeprefix(API_PREFIX).replace("/", "-"))
    headers = {**_disposition(name), **({"Link": ", ".join(links)} if links else {})}
    return with_etag(csv_text(rows, columns=columns).encode(), content_type=CONTENT_TYPE, headers=headers)


def csv_download(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> StreamingHttpResponse:
    """Return a table as a file, which is sent while the rows are read.

    Args:
        name: names the file; any text.
        header: the names of the columns.
        rows: the values of the columns.
    """
    headers = {**_disposition(slugify(name) or "table"), "Cache-Control": "private, no-store"}
    return StreamingHttpResponse(csv_lines(header, rows), content_type=CONTENT_TYPE, headers=headers)


def _disposition(name: str) -> dict[str, str]:
    return {"Content-Disposition": str(content_disposition_header(True, f"{name}.csv"))}
