"""Load at startup what the first request would load, so that concurrent first requests do not race."""

from collections.abc import Iterable

from django.template import engines
from django.urls import URLPattern, URLResolver, get_resolver

from config import schema
from performance.comparisons.serializers import COMPARISON
from performance.snapshots.curves_serializers import CURVES
from performance.snapshots.detail_serializers import EVALUATED_SNAPSHOT, REPORT, SNAPSHOT, SNAPSHOT_ROW
from performance.snapshots.serializers import SUMMARY, shared_serializer


def warm_up() -> None:
    """Load everything that does not need the database."""
    resolver = get_resolver()
    resolver.resolve("/healthz")
    _load_views(resolver.url_patterns)
    engines.all()
    schema.encoded_document("yaml")  # as JSON it is made for who asks: that takes a process 7 MB, and keeps them
    for kind in (SUMMARY, REPORT, SNAPSHOT, SNAPSHOT_ROW, EVALUATED_SNAPSHOT, CURVES, COMPARISON):
        for serializer_class in kind.all().values():
            _load_fields(shared_serializer(serializer_class))


def _load_views(patterns: Iterable[URLPattern | URLResolver]) -> None:
    """Create what each view class creates once: nested resolvers and shared serializers."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            _load_views(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            for serializer in getattr(getattr(pattern.callback, "cls", None), "query_serializers", {}).values():
                _load_fields(serializer)


def _load_fields(serializer: object) -> None:
    """Create the fields of a serializer, and of its nested serializers."""
    for field in getattr(serializer, "fields", {}).values():
        _load_fields(getattr(field, "child", field))
