"""Searches of the audit trail."""

from typing import Any

from django.db.models import QuerySet

from models_registry.audit.models import AuditEntry

MAX_FOUND = 1_000  # audit entries that a search finds
MAX_PREFIXED = 10_000  # audit entries whose paths may begin with a text that is searched for
_SEARCHED = ("actor_name", "object_pk", "object_repr", "cid")


def find_audit_entries(entries: QuerySet[AuditEntry], text: str) -> list[int]:
    """Return the keys of the newest of `entries` that match a text, at most `MAX_FOUND`.

    A user's name, a record's name or key, a request id and a path match as a whole; a path also by its beginning, if
    that is not too common. Only a text that begins with `/` is a path. Each column is a query of its own, as no index
    serves a condition with OR.
    """
    if text.startswith("/"):
        path = {"path": text} if is_common_path_prefix(text) else {"path__startswith": text}
        matching = [entries.filter(**path).order_by("-timestamp", "-pk")]
    else:
        matching = [having(entries, name, text).order_by(name, "-timestamp", "-pk") for name in _SEARCHED]
    found = {row for rows in matching for row in rows.values_list("timestamp", "pk")[:MAX_FOUND]}
    return [pk for _, pk in sorted(found, reverse=True)[:MAX_FOUND]]


def having(entries: QuerySet[AuditEntry], column: str, value: Any) -> QuerySet[AuditEntry]:
    """Keep the entries with a value in a column. Order them by the column first, and then by the timestamp.

    The condition is a range of one value, so that PostgreSQL takes the order by the column seriously, and reads the
    column's own index. By an equality it would often read the index of all timestamps instead, in the hope to come
    across the value soon: of a user who left two years ago, it would read millions of rows first.
    """
    return entries.filter(**{f"{column}__gte": value, f"{column}__lte": value})


def is_common_path_prefix(text: str) -> bool:
    """Return whether the paths of more than `MAX_PREFIXED` audit entries begin with a text, such as `/api/v1`."""
    beginning = AuditEntry.objects.filter(path__startswith=text).order_by()
    return text.startswith("/") and beginning[: MAX_PREFIXED + 1].count() > MAX_PREFIXED
