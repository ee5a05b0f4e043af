"""Send links for a new password in the background, so that the time of the answer says nothing about an address."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

from django.conf import settings
from django.db import connection

MAX_WAITING = 100  # requests for a link, of each process

log = logging.getLogger(__name__)
_waiting = BoundedSemaphore(MAX_WAITING)
_sender = ThreadPoolExecutor(1, "mail")


def send_later(send: Callable[[], None]) -> None:
    """Call a function that sends mail, in a thread. If too many wait, it is not called."""
    if not settings.MAIL_SENT_BEHIND:
        send()
    elif _waiting.acquire(blocking=False):
        _sender.submit(_run, send)
    else:
        log.error("A link for a new password was not sent, as too many are waiting.")


def _run(send: Callable[[], None]) -> None:
    try:
        send()
    except Exception:
        log.exception("A link for a new password was not sent.")
    finally:
        _waiting.release()
        connection.close()
