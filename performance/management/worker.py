"""The worker: does due jobs until it is stopped."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from django.db import InterfaceError, OperationalError, close_old_connections, connections

from models_registry.db.outages import outage_log
from performance.comparisons.tasks import compare_next
from performance.evaluations.tasks import evaluate_next
from performance.jobs.heartbeat import INTERVAL, Heartbeat
from performance.metrics.sandbox.runner import end_spare, start_spare
from performance.webhooks.delivery import SENDERS, deliver_next

POLL = 0.5  # seconds between two queries of an empty queue
POLL_EVALUATIONS = 0.1  # of that of evaluations, which users wait for
OUTAGE = 5.0  # seconds before the next attempt after an error

log = logging.getLogger(__name__)


def run_worker(stop: Event, evaluations: int = 1) -> None:
    """Run up to `evaluations` at once, until `stop` is set. Each runs in a process of its own, which a thread awaits.

    Other threads run comparisons and deliveries, so that these never wait for an evaluation.
    """

    def evaluate() -> bool:
        return evaluate_next(stop)

    threads = [
        Thread(target=_report_until, args=[stop], name="heartbeat", daemon=True),
        *(
            Thread(
                target=_repeat_in_thread,
                args=[evaluate, stop, POLL_EVALUATIONS],
                name=f"evaluations-{number}",
                daemon=True,
            )
            for number in range(2, evaluations + 1)
        ),
        Thread(target=_repeat_in_thread, args=[lambda: compare_next(stop), stop], name="comparisons", daemon=True),
        *(
            Thread(target=_repeat_in_thread, args=[deliver_next, stop], name=f"deliveries-{number}", daemon=True)
            for number in range(1, SENDERS + 1)
        ),
    ]
    start_spare()
    for thread in threads:
        thread.start()
    _repeat(evaluate, stop, POLL_EVALUATIONS)
    for thread in threads:
        thread.join()
    end_spare()


def _report_until(stop: Event) -> None:
    """Report that this worker lives, until `stop` is set, and then that it has ended."""
    heartbeat = Heartbeat()

    def report() -> bool:
        heartbeat.report()
        return False  # the next report is not due yet

    try:
        _repeat(report, stop, INTERVAL)
    finally:
        heartbeat.end()
        connections.close_all()


def _repeat_in_thread(do_next: Callable[[], bool], stop: Event, poll: float | None = None) -> None:
    """Run `_repeat`, and then close the thread's database connections."""
    try:
        _repeat(do_next, stop, poll)
    finally:
        connections.close_all()


def _repeat(do_next: Callable[[], bool], stop: Event, poll: float | None = None) -> None:
    """Do jobs one after another until `stop` is set. If one fails, log the error and go on: the job comes due again.

    An empty queue is asked again after `poll` seconds, by default `POLL`.
    """
    while not stop.is_set():
        wait = 0.0
        try:
            if not do_next():
                wait = POLL if poll is None else poll
        except (OperationalError, InterfaceError) as error:
            outage_log.error("The database cannot be reached", error)
            wait = OUTAGE
        except Exception:
            log.exception("A job was interrupted by an error. It will be tried again.")
            wait = OUTAGE
        close_old_connections()
        stop.wait(wait)
