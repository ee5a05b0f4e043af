"""Delete records that have outlived their retention.

There may be millions of them. Each batch is a transaction of its own, so memory stays flat, no lock is held for long,
and a purge that breaks off has only to be run again.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

BATCH = 2_000  # rows that are deleted in one transaction: some tens of milliseconds


def delete_in_batches(
    records: QuerySet[Any],
    moment: str,
    before: datetime,
    *,
    delete: Callable[[QuerySet[Any]], object] = QuerySet.delete,
) -> int:
    """Delete the records whose `moment` is earlier than `before`, oldest first. Return their number.

    Args:
        records: the records, of one table.
        moment: the name of an indexed date field.
        before: the end of the retention.
        delete: what deletes a batch, in its transaction.
    """
    count = 0
    last: datetime | None = None  # so that no batch walks again through the index entries of rows that are deleted
    while True:
        expired = records.filter(**{f"{moment}__lt": before}, **({f"{moment}__gte": last} if last else {}))
        batch = list(expired.order_by(moment).values_list("pk", moment)[:BATCH])
        if not batch:
            return count
        with transaction.atomic():
            delete(expired.filter(pk__in=[pk for pk, _ in batch]))
        count, last = count + len(batch), batch[-1][1]
