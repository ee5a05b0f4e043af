"""`manage.py worker`: does what requests leave to be done, such as evaluations."""

import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand

from performance.worker import work


class Command(BaseCommand):
    """Takes jobs from the database, one at a time, until it is told to stop. There may be several."""

    help = "Do the evaluations that are asked for over HTTP. Run as many as there are to be done at once."

    def handle(self, **options: Any) -> None:
        """Work until TERM or INT comes; what was begun then is given back, for another to do."""
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        work(stop)
