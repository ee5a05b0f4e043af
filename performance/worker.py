"""The worker: does what is due, until it is told to stop."""

import logging
from threading import Event

from django.db import InterfaceError, OperationalError, close_old_connections

from performance.evaluating import evaluate_next

POLL = 0.5  # seconds between two looks at an empty queue
OUTAGE = 5.0  # seconds before the next look where the database could not be reached

log = logging.getLogger("performance.worker")


def work(stop: Event) -> None:
    """Do one thing after another, whichever has been due for longest, until `stop` is set."""
    while not stop.is_set():
        wait = 0.0
        try:
            if not evaluate_next(stop):
                wait = POLL
        except (OperationalError, InterfaceError) as error:
            log.error("The database cannot be reached: %s", error)
            wait = OUTAGE
        close_old_connections()
        stop.wait(wait)
