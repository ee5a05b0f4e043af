"""Rows of the audit trail for denied requests, written behind the answers by one thread of the process."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import InterfaceError, InternalError, OperationalError, connection, transaction

from models_registry.audit.models import AuditEntry

BATCH = 500  # rows in one transaction
RETRY_AFTER = 1.0  # seconds until the next attempt after one that failed
SHUTDOWN_CHECK = 0.5  # seconds between looks at whether the process is ending
NOT_RECORDED = "not_recorded"  # the code of a row that sums up denials without rows of their own

TEMPORARY = (OperationalError, InterfaceError, InternalError)

log = logging.getLogger(__name__)


def store_denials(entries: Sequence[AuditEntry]) -> None:
    """Store rows in their order, with the names of their users."""
    if not entries:
        return
    users = {entry.actor_id for entry in entries if entry.actor_id and not entry.actor_name}
    names = dict(get_user_model().objects.filter(pk__in=users).values_list("pk", "username")) if users else {}
    for entry in entries:
        entry.actor_name = entry.actor_name or names.get(entry.actor_id, "")
    with transaction.atomic():
        AuditEntry.objects.bulk_create(entries)


@dataclass
class _Overflow:
    """How many denials came while as many were waiting as may."""

    count: int

    def as_entry(self) -> AuditEntry:
        text = f"{self.count} denials were not recorded, as too many came at once. The log has them."
        return AuditEntry(action=AuditEntry.DENIED, code=NOT_RECORDED, object_repr=text)


class DenialWriter:
    """Writes rows in the order in which they come, in a thread that starts with the first.

    At most `settings.DENIALS_PENDING` rows wait. Further denials are counted, and one row in their place sums them up.
    While the database takes no writes, rows wait. When the process ends in order, the thread first writes them.
    The next denial starts a thread again that has ended or could not be started.
    """

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)  # the parent writes its own rows

    def _forget(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[AuditEntry | _Overflow] = deque()
        self._in_writing = 0  # how many of the oldest
        self._thread: threading.Thread | None = None

    def add(self, entry: AuditEntry) -> None:
        """Have a row written soon. This waits for no write."""
        with self._changed:
            if len(self._waiting) < settings.DENIALS_PENDING:
                self._waiting.append(entry)
            elif len(self._waiting) > self._in_writing and isinstance(self._waiting[-1], _Overflow):
                self._waiting[-1].count += 1
            else:
                self._waiting.append(_Overflow(1))
            self._changed.notify()
            if self._thread is None or not self._thread.is_alive():
                self._start()

    def _start(self) -> None:
        # Not a daemon, as it would be by default in a thread of the server: the process waits for its end.
        thread = threading.Thread(target=self._run, name="denials", daemon=False)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no thread left: the next denial tries again
            log.error("Denials are not in the audit trail yet: %s", error)
        else:
            self._thread = thread

    def _run(self) -> None:
        while True:
            ending = not threading.main_thread().is_alive()
            batch = self._next_batch()
            try:
                if batch:
                    self._write(batch)
            except Exception as error:
                log.error("Denials are not in the audit trail yet: %s", error)
                if ending:
                    log.error("%d denials are missing in the audit trail.", len(self._waiting))
                    return
                time.sleep(RETRY_AFTER)
            finally:
                _close_connection()
            if ending and not batch:
                return

    def _next_batch(self) -> list[AuditEntry]:
        """Return the oldest rows, or none if none come for a while."""
        with self._changed:
            if not self._waiting:
                self._changed.wait(SHUTDOWN_CHECK)
            batch = list(islice(self._waiting, BATCH))
            self._in_writing = len(batch)
        return [each.as_entry() if isinstance(each, _Overflow) else each for each in batch]

    def _write(self, batch: list[AuditEntry]) -> None:
        """Store the oldest rows, and give up each that the database will never take.

        Raises an error that may pass; the rows that are not stored yet wait on.
        """
        try:
            store_denials(batch)
        except TEMPORARY:
            raise
        except Exception as error:
            if len(batch) == 1:
                log.error("A denial is missing in the audit trail: %s", error)
                self._remove(1)
            else:
                for row in batch:
                    self._write([row])
        else:
            self._remove(len(batch))

    def _remove(self, count: int) -> None:
        with self._changed:
            for _ in range(count):
                self._waiting.popleft()
            self._in_writing -= count


def _close_connection() -> None:
    """Close the thread's connection. One that cannot be closed must not end the thread."""
    try:
        connection.close()
    except Exception as error:
        log.error("A connection of the audit trail was not closed: %s", error)


denial_writer = DenialWriter()
