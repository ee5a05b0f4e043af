"""Bound how many threads of a process prepare large answers at a time."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from threading import Lock

from django.http import HttpResponse

from models_registry.api.capacity import Capacity

LARGE = 100_000  # bytes, which take some 10 ms to prepare
REMEMBERED = 10_000  # paths

capacity = Capacity(
    1, "Other large answers are being prepared. Ask again after the seconds that Retry-After gives.", waiting=1
)

_large: OrderedDict[str, None] = OrderedDict()  # those that were answered last come last
_lock = Lock()


def render_bounded(path: str, answer: Callable[[], tuple[HttpResponse, bool]]) -> HttpResponse:
    """Return what `answer` returns, as one of few threads if the path is known to have large answers.

    A snapshot never changes, and versions of one model are much alike: what was large once is likely to be large again.
    A caller who is refused has cost no query.

    Args:
        path: the path of the request.
        answer: reads and returns the answer, and whether it is expensive whatever its length.

    Raises:
        BusyError: other threads are preparing large answers.
    """
    with capacity.claim() if path in _large else nullcontext():
        response, is_expensive = answer()
    if is_expensive or len(response.content) > LARGE:
        _remember(path)
    return response


def forget_all() -> None:
    """Forget which paths have large answers."""
    with _lock:
        _large.clear()


def _remember(path: str) -> None:
    with _lock:
        _large[path] = None
        _large.move_to_end(path)
        if len(_large) > REMEMBERED:
            _large.popitem(last=False)
