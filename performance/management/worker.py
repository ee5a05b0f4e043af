"""The worker: does due jobs until it is stopped."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from django.db import InterfaceError, OperationalError, close_old_connections, connections

from performance.comparisons.tasks import compare_next
from performance.evaluations.tasks import evaluate_next
from performance.webhooks.delivery import SENDERS, deliver_next

POLL = 0.5  # seconds between two queries of an empty queue
OUTAGE = 5.0  # seconds before the next attempt after an error

log = logging.getLogger(__name__)


def run_worker(stop: Event) -> None:
    """Run evaluations one after another in this thread, until `stop` is set.

    Other threads run comparisons and deliveries, so that these never wait for an evaluation.
    """
    threads = [
        Thread(target=_repeat_in_thread, args=[lambda: compare_next(stop), stop], name="comparisons", daemon=True),
        *(
            Thread(target=_repeat_in_thread, args=[deliver_next, stop], name=f"deliveries-{number}", daemon=True)
            for number in range(1, SENDERS + 1)
        ),
    ]
    for thread in threads:
        thread.start()
    _repeat(lambda: evaluate_next(stop), stop)
    for thread in threads:
        thread.join()


def _repeat_in_thread(do_next: Callable[[], bool], stop: Event) -> None:
    """Run `_repeat`, and then close the thread's database connections."""
    try:
        _repeat(do_next, stop)
    finally:
        connections.close_all()


def _repeat(do_next: Callable[[], bool], stop: Event) -> None:
    """Do jobs one after another until `stop` is set. If one fails, log the error and go on: the job comes due again."""
    while not stop.is_set():
        wait = 0.0
        try:
            if not do_next():
                wait = POLL
        except (OperationalError, InterfaceError) as error:
            log.error("The database cannot be reached: %s", error)
            wait = OUTAGE
        except Exception:
            log.exception("A job was interrupted by an error. It will be tried again.")
            wait = OUTAGE
        close_old_connections()
        stop.wait(wait)
