"""`manage.py worker`: run evaluations and comparisons, and send messages to webhooks."""

import signal
from argparse import ArgumentTypeError
from threading import Event

from django.core.management.base import BaseCommand, CommandParser

from performance.management.worker import run_worker


class Command(BaseCommand):
    """Claims jobs in the database and runs them, until it is stopped. Several workers may run at a time."""

    help = (
        "Run the evaluations that were requested over HTTP, compare versions, and send messages to webhooks. "
        "Each evaluation runs in a process of its own; --workers says how many run at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the number of evaluations that run at once."""
        parser.add_argument(
            "--workers",
            type=_positive,
            default=1,
            metavar="N",
            help="Run up to N evaluations at once. Each may take 512 MB of memory and two cores. Default: 1.",
        )

    def handle(self, *, workers: int, **options: object) -> None:
        """Work until the signal TERM or INT; the current job is then released for another worker."""
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run_worker(stop, evaluations=workers)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ArgumentTypeError(f"{text} is less than 1")
    return number
