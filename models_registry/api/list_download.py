"""Download a list of the admin as CSV: its columns, and the records that its filters and search leave."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import unescape
from typing import TYPE_CHECKING

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

from models_registry.api.csv_responses import csv_download

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

MAX_DOWNLOADED = 10_000  # records
CHUNK = 500  # records that are in memory at a time


def list_download(page: "ModelAdmin[Model]", request: HttpRequest) -> HttpResponseBase:
    """Return the list of a page as CSV. Raises `PermissionDenied` for callers without the list.

    The list decides which records and columns the caller sees.
    """
    if not page.has_view_or_change_permission(request):
        raise PermissionDenied
    try:
        records = page.get_changelist_instance(request).queryset
    except IncorrectLookupParameters:
        return redirect(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    columns = [str(name) for name in page.get_list_display(request) if name != "action_checkbox"]
    header = ["id", *(str(label_for_field(name, page.model, page)) for name in columns)]
    return csv_download(str(page.opts.verbose_name_plural), header, _rows(page, records, columns))


def _rows(page: "ModelAdmin[Model]", records: QuerySet[Model], columns: Sequence[str]) -> Iterator[list[object]]:
    for record in records[:MAX_DOWNLOADED].iterator(chunk_size=CHUNK):
        yield [str(record.pk), *(_value(name, record, page) for name in columns)]


def _value(name: str, record: Model, page: "ModelAdmin[Model]") -> object:
    """Return what a list shows of a record in a column: a number, a time, or the text without its HTML."""
    try:
        value = lookup_field(name, record, page)[2]
    except ObjectDoesNotExist:
        return None
    if isinstance(value, SafeString):
        return unescape(strip_tags(value)).strip()
    return value if value is None or isinstance(value, int | float | datetime) else str(value)
