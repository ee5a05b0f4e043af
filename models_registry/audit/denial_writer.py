"""Writes denied requests to the audit trail in a background thread, so that no response waits for it."""

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

BATCH_SIZE = 500  # rows in one transaction
RETRY_DELAY = 1.0  # seconds to wait after a failed write
SHUTDOWN_POLL_INTERVAL = 0.5  # seconds between checks whether the process is ending
NOT_RECORDED = "not_recorded"  # the code of a row that stands for several denials

TEMPORARY_ERRORS = (OperationalError, InterfaceError, InternalError)

log = logging.getLogger(__name__)


def store_denials(entries: Sequence[AuditEntry]) -> None:
    """Store rows in the given order, and add the names of their users."""
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
    """The number of denials that arrived while the queue was full."""

    count: int

    def as_entry(self) -> AuditEntry:
        text = f"{self.count} denials were not recorded, as too many came at once. The log has them."
        return AuditEntry(action=AuditEntry.DENIED, code=NOT_RECORDED, object_repr=text)


class DenialWriter:
    """Writes rows in the order of their arrival, in a thread that starts with the first row.

    At most `settings.DENIALS_PENDING` rows wait. Further denials are only counted, and one row with their number takes
    their place. Rows wait while the database refuses writes. Before the process exits normally, the thread writes all
    waiting rows. If the thread has ended or could not start, the next denial starts it again.
    """

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)  # the parent process writes its own rows

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[AuditEntry | _Overflow] = deque()
        self._batch_size = 0  # how many of the oldest rows are being written
        self._thread: threading.Thread | None = None

    def add(self, entry: AuditEntry) -> None:
        """Queue a row and return at once."""
        with self._changed:
            if len(self._waiting) < settings.DENIALS_PENDING:
                self._waiting.append(entry)
            elif len(self._waiting) > self._batch_size and isinstance(self._waiting[-1], _Overflow):
                self._waiting[-1].count += 1
            else:
                self._waiting.append(_Overflow(1))
            self._changed.notify()
            if self._thread is None or not self._thread.is_alive():
                self._start()

    def _start(self) -> None:
        # Not a daemon, which is the default in a server thread: the process waits for this thread to end.
        thread = threading.Thread(target=self._run, name="denials", daemon=False)
        try:
            thread.start()
        except RuntimeError as error:  # the system cannot start a thread now; the next denial tries again
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
                time.sleep(RETRY_DELAY)
            finally:
                _close_connection()
            if ending and not batch:
                return

    def _next_batch(self) -> list[AuditEntry]:
        """Return the oldest rows, or an empty list if no row arrives for a while."""
        with self._changed:
            if not self._waiting:
                self._changed.wait(SHUTDOWN_POLL_INTERVAL)
            batch = list(islice(self._waiting, BATCH_SIZE))
            self._batch_size = len(batch)
        return [each.as_entry() if isinstance(each, _Overflow) else each for each in batch]

    def _write(self, batch: list[AuditEntry]) -> None:
        """Store a batch, and drop each row that the database permanently refuses.

        Raises temporary errors. The rows that are not stored yet stay in the queue.
        """
        try:
            store_denials(batch)
        except TEMPORARY_ERRORS:
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
            self._batch_size -= count


def _close_connection() -> None:
    """Close the thread's connection. A failure must not end the thread."""
    try:
        connection.close()
    except Exception as error:
        log.error("A connection of the audit trail was not closed: %s", error)


denial_writer = DenialWriter()
