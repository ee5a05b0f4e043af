"""What the first request would load, loaded at the start, so that concurrent first requests cannot race."""

from collections.abc import Iterable
from typing import Any

from django.template import engines
from django.urls import URLPattern, URLResolver, get_resolver

from config import schema
from performance.comparisons.serializers import COMPARISON
from performance.snapshots.detail_serializers import CURVES, REPORT, SNAPSHOT, SNAPSHOT_ROW
from performance.snapshots.serializers import SUMMARY, shared_serializer


def warm_up() -> None:
    """Load everything that does not need the database."""
    resolver = get_resolver()
    resolver.resolve("/healthz")
    _load_views(resolver.url_patterns)
    engines.all()
    for form in ("yaml", "json"):
        schema.document(form)
    for kind in (SUMMARY, REPORT, SNAPSHOT, SNAPSHOT_ROW, CURVES, COMPARISON):
        for serializer_class in kind.all().values():
            _load_fields(shared_serializer(serializer_class))


def _load_views(patterns: Iterable[Any]) -> None:
    """Build what each view's class makes once: nested resolvers, and the serializers that a class shares."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            _load_views(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            for serializer in getattr(getattr(pattern.callback, "cls", None), "query_serializers", {}).values():
                _load_fields(serializer)


def _load_fields(serializer: Any) -> None:
    """Build a serializer's fields, and those of the serializers in it."""
    for field in getattr(serializer, "fields", {}).values():
        _load_fields(getattr(field, "child", field))
