"""`manage.py worker`: run evaluations and comparisons, and send messages to webhooks."""

import signal
from threading import Event

from django.core.management.base import BaseCommand

from performance.management.worker import run_worker


class Command(BaseCommand):
    """Claims jobs in the database and runs them, until it is stopped. Several workers may run at a time."""

    help = (
        "Run the evaluations that were requested over HTTP, compare versions, and send messages to webhooks. "
        "Each worker runs one evaluation at a time: start as many workers as evaluations should run at once."
    )

    def handle(self, **options: object) -> None:
        """Work until the signal TERM or INT; the current job is then released for another worker."""
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run_worker(stop)
