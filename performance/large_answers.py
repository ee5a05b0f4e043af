"""Bound how many threads of a process prepare large answers at a time."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from threading import Lock

from django.http import HttpResponse

from models_registry.capacity import Capacity

LARGE = 200_000  # bytes, which take some 20 ms to prepare
REMEMBERED = 10_000  # answers

capacity = Capacity(
    1, "Other large answers are being prepared. Ask again after the seconds that Retry-After gives.", waiting=1
)

_large: OrderedDict[Hashable, None] = OrderedDict()  # those that were answered last come last
_lock = Lock()


def prepare(key: Hashable, answer: Callable[[], tuple[HttpResponse, bool]]) -> HttpResponse:
    """Return what `answer` returns, as one of few threads if it is known to be large.

    A snapshot never changes, so an answer that was large once is large each time.

    Args:
        key: what is asked for.
        answer: returns the answer, and whether it is expensive whatever its length.

    Raises:
        BusyError: other threads are preparing large answers.
    """
    with capacity.claim() if key in _large else nullcontext():
        response, is_expensive = answer()
    if is_expensive or len(response.content) > LARGE:
        _remember(key)
    return response


def forget_all() -> None:
    """Forget which answers are large."""
    with _lock:
        _large.clear()


def _remember(key: Hashable) -> None:
    with _lock:
        _large[key] = None
        _large.move_to_end(key)
        if len(_large) > REMEMBERED:
            _large.popitem(last=False)
