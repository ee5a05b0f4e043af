"""Bound how many threads of a process prepare large responses at a time."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import wraps
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar

from django.http import HttpResponse
from rest_framework.request import Request

from models_registry.api.capacity import Capacity
from models_registry.api.etags import not_modified_or

LARGE = 100_000  # bytes, which take some 10 ms to prepare
MAX_REMEMBERED = 10_000  # paths

capacity = Capacity(
    1, "Other large answers are being prepared. Ask again after the seconds that Retry-After gives.", waiting=1
)

View = TypeVar("View")
URLArguments = ParamSpec("URLArguments")
Action = Callable[Concatenate[View, Request, URLArguments], HttpResponse]

_claimed: ContextVar[bool] = ContextVar("claimed", default=False)
_large: OrderedDict[str, None] = OrderedDict()  # the most recent path comes last
_lock = Lock()


def bounded(action: Action[View, URLArguments]) -> Action[View, URLArguments]:
    """Decorate an action whose response has an ETag and may be large, so that few threads run it at a time.

    The bound applies to paths that are known to have large responses: a snapshot never changes, and the versions of a
    model are much alike, so what was large once is likely to be large again. A caller who is refused has cost no query.
    The action responds with 304 if the caller has the response. It raises `BusyError` when other threads are preparing
    large responses, and `PreconditionFailedError`.
    """

    @wraps(action)
    def bounded_action(
        view: View, request: Request, /, *args: URLArguments.args, **kwargs: URLArguments.kwargs
    ) -> HttpResponse:
        with claim() if request.path in _large else nullcontext():
            response = action(view, request, *args, **kwargs)
        if len(response.content) > LARGE:
            remember(request.path)
        return not_modified_or(request, response)

    return bounded_action


@contextmanager
def claim() -> Iterator[None]:
    """Run the block as the one thread that may prepare a large response. A thread that is that one already goes on.

    Raises `BusyError` when another thread is preparing one.
    """
    if _claimed.get():
        yield
        return
    with capacity.claim():
        token = _claimed.set(True)
        try:
            yield
        finally:
            _claimed.reset(token)


def remember(path: str) -> None:
    """Remember that the responses of a path are large, or take long to prepare."""
    with _lock:
        _large[path] = None
        _large.move_to_end(path)
        if len(_large) > MAX_REMEMBERED:
            _large.popitem(last=False)


def clear() -> None:
    """Forget which paths have large responses."""
    with _lock:
        _large.clear()
