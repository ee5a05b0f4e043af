"""Searches of the audit trail."""

from django.db.models import QuerySet

from models_registry.audit.models import AuditEntry

MAX_FOUND = 1_000  # audit entries that a search returns
MAX_PREFIXED = 10_000  # audit entries with a path prefix up to which a search by that prefix is allowed
_SEARCH_COLUMNS = ("actor_name", "object_pk", "object_repr", "cid")


def find_audit_entries(entries: QuerySet[AuditEntry], text: str) -> list[int]:
    """Return the primary keys of the newest entries that match a text, at most `MAX_FOUND`.

    A text that begins with `/` is a path. It also matches as a prefix, unless the prefix is too common. Any other text
    must equal a user's name, a record's name or key, or a request id. Each column has its own query, because no index
    serves a condition with OR.
    """
    if text.startswith("/"):
        path = {"path": text} if is_common_path_prefix(text) else {"path__startswith": text}
        matching = [entries.filter(**path).order_by("-timestamp", "-pk")]
    else:
        matching = [with_value(entries, name, text).order_by(name, "-timestamp", "-pk") for name in _SEARCH_COLUMNS]
    found = {row for query in matching for row in query.values_list("timestamp", "pk")[:MAX_FOUND]}
    return [pk for _, pk in sorted(found, reverse=True)[:MAX_FOUND]]


def with_value(entries: QuerySet[AuditEntry], column: str, value: object) -> QuerySet[AuditEntry]:
    """Keep the entries that have a value in a column. The caller orders them by that column, then by the timestamp.

    The condition is a range that contains one value. So the ordering by the column matters to PostgreSQL, and it reads
    the column's own index. For an equality, it would often read the index of all timestamps instead, and expect to find
    the value soon. For a user who left two years ago, it would first read millions of rows.
    """
    return entries.filter(**{f"{column}__gte": value, f"{column}__lte": value})


def is_common_path_prefix(text: str) -> bool:
    """Return whether a text such as `/api/v1` is the path prefix of more than `MAX_PREFIXED` audit entries."""
    matching = AuditEntry.objects.filter(path__startswith=text).order_by()
    return text.startswith("/") and matching[: MAX_PREFIXED + 1].count() > MAX_PREFIXED
