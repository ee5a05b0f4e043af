"""The worker: does what is due, until it is told to stop."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from django.db import InterfaceError, OperationalError, close_old_connections

from performance.delivering import deliver_next
from performance.evaluating import evaluate_next

POLL = 0.5  # seconds between two looks at an empty queue
OUTAGE = 5.0  # seconds before the next look where the database could not be reached

log = logging.getLogger("performance.worker")


def work(stop: Event) -> None:
    """Do evaluations, one after another, and deliveries beside them, until `stop` is set.

    What has been due for longest comes first. An evaluation may take long, and no message waits for it.
    """
    deliveries = Thread(target=_repeat, args=[_deliver, stop], name="deliveries", daemon=True)
    deliveries.start()
    _repeat(lambda: evaluate_next(stop), stop)
    deliveries.join()


def _repeat(do_next: Callable[[], bool], stop: Event) -> None:
    while not stop.is_set():
        wait = 0.0
        try:
            if not do_next():
                wait = POLL
        except (OperationalError, InterfaceError) as error:
            log.error("The database cannot be reached: %s", error)
            wait = OUTAGE
        close_old_connections()
        stop.wait(wait)


def _deliver() -> bool:
    """Send one message, and outlive whatever is wrong with it: the evaluations would go on without this thread."""
    try:
        return deliver_next()
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("A message to a webhook broke off. It is sent again.")
        return False
