"""The worker: does what is due, until it is told to stop."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from django.db import InterfaceError, OperationalError, close_old_connections, connections

from performance.comparisons.tasks import compare_next
from performance.evaluations.tasks import evaluate_next
from performance.webhooks.delivery import SENDERS, deliver_next

POLL = 0.5  # seconds between two looks at an empty queue
OUTAGE = 5.0  # seconds before the next look where the database could not be reached

log = logging.getLogger(__name__)


def work(stop: Event) -> None:
    """Do evaluations until `stop` is set: one after another, in this thread.

    Other threads do comparisons and deliveries meanwhile, so that these never wait for an evaluation.
    """
    beside = [
        Thread(target=_repeat_beside, args=[lambda: compare_next(stop), stop], name="comparisons", daemon=True),
        *(
            Thread(target=_repeat_beside, args=[deliver_next, stop], name=f"deliveries-{number}", daemon=True)
            for number in range(1, SENDERS + 1)
        ),
    ]
    for thread in beside:
        thread.start()
    _repeat(lambda: evaluate_next(stop), stop)
    for thread in beside:
        thread.join()


def _repeat_beside(do_next: Callable[[], bool], stop: Event) -> None:
    """Do what `_repeat` does in a thread of its own, and close its connection to the database in the end."""
    try:
        _repeat(do_next, stop)
    finally:
        connections.close_all()


def _repeat(do_next: Callable[[], bool], stop: Event) -> None:
    """Do one thing after another, and outlive whatever is wrong with one: it comes due again."""
    while not stop.is_set():
        wait = 0.0
        try:
            if not do_next():
                wait = POLL
        except (OperationalError, InterfaceError) as error:
            log.error("The database cannot be reached: %s", error)
            wait = OUTAGE
        except Exception:
            log.exception("What was begun broke off. It is done again.")
            wait = OUTAGE
        close_old_connections()
        stop.wait(wait)
