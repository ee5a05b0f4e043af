"""A worker reports that it lives, so that others can tell whether queued jobs will be done."""

import os
import socket
import uuid
from datetime import timedelta

from django.db import Error

from performance.jobs.memory import resident_bytes
from performance.jobs.models import Worker
from performance.jobs.querysets import DatabaseNow

INTERVAL = 10.0  # seconds between two reports
FORGET_AFTER = timedelta(hours=1)  # of silence; until then the metrics show that a worker was lost


class Heartbeat:
    """The reports of this process."""

    def __init__(self) -> None:
        self._id = uuid.uuid4()

    def report(self) -> None:
        """Record that the worker lives."""
        changes = {"seen_at": DatabaseNow(), "memory_bytes": resident_bytes(os.getpid())}
        if not Worker.objects.filter(pk=self._id).update(**changes):
            Worker.objects.filter(seen_at__lt=DatabaseNow() - FORGET_AFTER).delete()
            Worker.objects.create(id=self._id, host=socket.gethostname()[:255], pid=os.getpid(), **changes)

    def end(self) -> None:
        """Delete the worker, unless the database cannot be reached; it then counts as lost."""
        try:
            Worker.objects.filter(pk=self._id).delete()
        except Error:
            return
