"""Run operations over HTTP: with `await`, and without."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from functools import cache, update_wrapper, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import httpx

from performance_registry.requests import Caller, Operation, Pause, Request, encode

P = ParamSpec("P")
T = TypeVar("T")


class Connection:
    """Runs operations with blocking calls."""

    def __init__(self, caller: Caller, *, timeout: float) -> None:
        self.caller = caller
        self._client = httpx.Client(timeout=timeout, verify=_certificates())

    def run(self, operation: Operation[T]) -> T:
        """Return the result of an operation."""
        result, error = None, None
        while True:
            try:
                step = operation.send(result) if error is None else operation.throw(error)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                result, error = self._perform(step), None
            except BaseException as raised:
                result, error = None, raised

    def close(self) -> None:
        """Close the connections to the registry."""
        self._client.close()

    def _perform(self, step: Request | Pause) -> httpx.Response | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        with ExitStack() as files:
            return self._client.request(**_arguments(step, files))


class AsyncConnection:
    """Runs operations with `await`."""

    def __init__(self, caller: Caller, *, timeout: float) -> None:
        self.caller = caller
        self._client = httpx.AsyncClient(timeout=timeout, verify=_certificates())

    async def run(self, operation: Operation[T]) -> T:
        """Return the result of an operation."""
        result, error = None, None
        while True:
            try:
                step = operation.send(result) if error is None else operation.throw(error)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            try:
                result, error = await self._perform(step), None
            except BaseException as raised:  # also of a task that is cancelled
                result, error = None, raised

    async def close(self) -> None:
        """Close the connections to the registry."""
        await self._client.aclose()

    async def _perform(self, step: Request | Pause) -> httpx.Response | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        with ExitStack() as files:
            return await self._client.request(**_arguments(step, files))


class Blocking:
    """What has a `Connection`."""

    _connection: Connection


class Awaiting:
    """What has an `AsyncConnection`."""

    _connection: AsyncConnection


class operation(Generic[P, T]):  # noqa: N801  # a decorator
    """Makes a method of a generator: one that blocks in a `Blocking` class, and one to await in an `Awaiting` class."""

    def __init__(self, function: Callable[Concatenate[Any, P], Operation[T]]) -> None:
        self._function = function
        update_wrapper(self, function)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, owner: type) -> operation[P, T]: ...
    @overload
    def __get__(self, instance: Blocking, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Awaiting, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self

        @wraps(self._function)
        def run(*arguments: P.args, **named: P.kwargs) -> Any:
            return instance._connection.run(self._function(instance, *arguments, **named))

        return run


@cache
def _certificates() -> ssl.SSLContext:
    """Return what verifies servers. To load it takes longer than a request."""
    return httpx.create_ssl_context()


def _arguments(request: Request, files: ExitStack) -> dict[str, Any]:
    """Return the arguments for httpx. `files` closes the file that is opened."""
    arguments: dict[str, Any] = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
    if request.params:
        arguments["params"] = {name: value for name, value in request.params.items() if value is not None}
    if request.body is not None:
        arguments["content"] = encode(request.body)
        arguments["headers"]["Content-Type"] = "application/json"
    if request.form is not None:
        arguments["data"] = dict(request.form)
    if request.file is not None:
        opened = files.enter_context(request.file.open("rb"))
        arguments["files"] = {"file": (request.file.name, opened, "application/octet-stream")}
    return arguments
