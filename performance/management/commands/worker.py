"""`manage.py worker`: does what requests leave to be done: evaluations, and messages to webhooks."""

import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand

from performance.management.worker import work


class Command(BaseCommand):
    """Takes jobs from the database, one of each kind at a time, until it is told to stop. There may be several."""

    help = (
        "Do the evaluations that are asked for over HTTP, and send webhooks their messages. "
        "Run as many as evaluations are to be done at once."
    )

    def handle(self, **options: Any) -> None:
        """Work until TERM or INT comes; what was begun then is given back, for another to do."""
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        work(stop)
