"""The production server: granian with a WSGI environ that has no headers with underscores.

In WSGI, `X-Forwarded-For` and `X_Forwarded_For` have the same name, so a caller who sends the latter could override
what a proxy wrote into the former. Granian builds the environ before any of our code runs, and has no option for it.
Its RSGI interface has the original names: `Server` receives requests there, and passes them to the WSGI application in
as many threads as granian would use.

Only `Server` and `_Scheduler` use private parts of granian. Options and environment variables are
granian's own: `python -m config.serve --help`.
"""

import io
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import lru_cache, partial
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Protocol
from wsgiref.types import WSGIApplication, WSGIEnvironment

from granian import _granian, _signals
from granian._granian import CallbackScheduler, RSGIHTTPProtocol, SocketHolder
from granian.constants import RuntimeModes
from granian.rsgi import Scope
from granian.server.common import WORKERS_METHODS
from granian.server.mp import MPServer, WorkerProcess

from config.env.readers import one_of
from config.environ_keys import LONGEST_HEADER
from config.listening import is_listening
from config.logs import FORMATS, logging_config

POLL_INTERVAL = 0.05  # seconds
START_TIMEOUT = 60  # seconds to wait for a new worker to listen


class Request(Protocol):
    """What granian passes to a scheduler."""

    scope: Scope
    proto: RSGIHTTPProtocol

    def err(self, error: BaseException) -> None: ...


ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class Server(MPServer):
    """Granian's server, whose WSGI workers drop headers with underscores in their names.

    Its log has the form of the service's, unless granian's own option says otherwise. On Linux each worker has a socket
    of its own, so a worker that is replaced ends once its successor listens: granian by itself waits for
    `--respawn-interval`, in which a busy machine may not start one, and then refuses connections.
    """

    keeps_old_workers = False  # until the new ones listen

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["log_dictconfig"] = options.get("log_dictconfig") or logging_config(one_of("LOG_FORMAT", FORMATS))
        super().__init__(*arguments, **options)

    def _respawn_workers(self, workers: Any, spawn_target: Any, target_loader: Any, delay: float = 0) -> None:
        """Replace workers. There is no delay for those that have crashed, which have nothing left to answer."""
        self.keeps_old_workers = bool(delay) and sys.platform == "linux" and not self.bind_uds
        super()._respawn_workers(workers, spawn_target, target_loader, delay)

    def _spawn_worker(self, *arguments: Any, **options: Any) -> WorkerProcess:
        worker = super()._spawn_worker(*arguments, **options)
        if self.keeps_old_workers:
            worker.start = partial(self._start_listening, worker, worker.start)  # type: ignore[method-assign]
        return worker

    def _start_listening(self, worker: WorkerProcess, start: Callable[[], None]) -> None:
        """Start a worker, and return once it listens, has ended or takes too long, or the server is to end."""
        start()
        deadline = time.monotonic() + START_TIMEOUT
        while not self.interrupt_signal and time.monotonic() < deadline:
            if not worker.inner.is_alive() or is_listening(worker.inner.pid):
                break
            time.sleep(POLL_INTERVAL)

    @staticmethod
    @WorkerProcess.wrap_target  # type: ignore[untyped-decorator]  # the library is partly untyped
    def _spawn_wsgi_worker(
        worker_id: int,
        callback: WSGIApplication,
        sock: tuple[SocketHolder | None, ...],
        ipc: object,
        loop: object,
        runtime_mode: RuntimeModes,
        runtime_threads: int,
        runtime_blocking_threads: int | None,
        blocking_threads: int,
        blocking_threads_idle_timeout: int,
        backpressure: int,
        task_impl: object,
        http_mode: object,
        http1_settings: object,
        http2_settings: object,
        websockets: bool,
        static_path: object,
        log_access_fmt: str | None,
        ssl_ctx: tuple[object, ...],
        scope_opts: dict[str, object],
        metrics: object,
    ) -> None:
        requests: SimpleQueue[Request] = SimpleQueue()
        for number in range(blocking_threads):
            name = f"request-{number}"
            threading.Thread(target=_handle_requests, args=(requests, callback), name=name, daemon=True).start()
        signalled = _signals.set_sync_signals()  # type: ignore[no-untyped-call]
        stopped = threading.Event()
        signalled.add_cb(stopped.set)
        worker_class: Callable[..., object] = _granian.RSGIWorker  # its stub lacks some arguments
        worker = worker_class(
            worker_id,
            sock,
            ipc,
            runtime_threads,
            runtime_blocking_threads,
            1,  # Python thread, which only hands requests over
            blocking_threads_idle_timeout,
            backpressure,
            http_mode,
            http1_settings,
            http2_settings,
            False,  # websockets
            static_path,
            *ssl_ctx,
            metrics,
        )
        serve = getattr(worker, WORKERS_METHODS[runtime_mode][next(filter(None, sock)).is_uds()])
        event_loop = _EventLoop()
        serve(_Scheduler(event_loop, requests.put, None, None, None), event_loop, signalled)
        stopped.wait()


class _EventLoop:
    """The part of an event loop that granian needs here. It calls callbacks immediately."""

    def call_soon(self, callback: Callable[..., object], *arguments: object, context: object = None) -> None:
        callback(*arguments)

    call_soon_threadsafe = call_soon


class _Scheduler(CallbackScheduler):
    """Hand each request to a thread. Granian's own scheduler would run a coroutine."""

    def __init__(self, event_loop: _EventLoop, hand_over: Callable[[Request], None], *unused: None) -> None:
        super().__init__()
        self._schedule_fn = hand_over


def _handle_requests(requests: SimpleQueue[Request], application: WSGIApplication) -> None:
    """Handle requests one after the other, for the lifetime of the process."""
    while True:
        request = requests.get()
        try:
            _handle(request.scope, request.proto, application)
        except BaseException as error:  # it would end the thread
            request.err(error)  # logs it, and sends a 500 unless a response was sent
        del request


def _handle(scope: Scope, protocol: RSGIHTTPProtocol, application: WSGIApplication) -> None:
    start = _StartResponse()
    environ = environ_of(scope, protocol)
    with closing(environ["wsgi.input"]):
        response = application(environ, start)
        try:
            protocol.response_bytes(start.status, start.headers, b"".join(response))
        finally:
            if hasattr(response, "close"):
                response.close()


class _StartResponse:
    """What a WSGI application calls to start its response."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[str, str]] = []

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExceptionInfo | None = None
    ) -> Callable[[bytes], object]:
        self.status, self.headers = int(status[:3]), headers
        return _refuse_write


def _refuse_write(data: bytes) -> None:
    raise NotImplementedError("Return the body from the application instead.")


def environ_of(scope: Scope, protocol: RSGIHTTPProtocol) -> WSGIEnvironment:
    """Return the environ of a request, without headers whose names contain an underscore."""
    environ: WSGIEnvironment = {
        **_SAME_FOR_ALL,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "wsgi.url_scheme": scope.scheme,
        "HTTP_HOST": scope.authority or "",
    }
    environ["SERVER_NAME"], _, environ["SERVER_PORT"] = scope.server.rpartition(":")
    environ["REMOTE_ADDR"] = scope.client.rpartition(":")[0].strip("[]")
    found: dict[str, str] = {}
    for name, value in scope.headers.items():
        if key := _environ_key(name) if len(name) <= _LONGEST_KNOWN_NAME else _convert(name):
            found[key] = f"{found[key]}{_SEPARATORS.get(key, ',')}{value}" if key in found else value
    environ |= found
    environ[LONGEST_HEADER] = max(len(environ["HTTP_HOST"]), *map(len, found.values()), 0)
    has_body = found.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in found or scope.http_version == "2"
    environ["wsgi.input"] = io.BufferedReader(_Body(protocol)) if has_body else io.BytesIO()
    return environ


def _convert(header: str) -> str | None:
    """Return the name of a header in the environ, `None` if it is to be dropped."""
    if "_" in header:
        return None
    key = header.upper().replace("-", "_")
    return key if key in _WITHOUT_PREFIX else f"HTTP_{key}"


class _Body(io.RawIOBase):
    """The body of a request, which is requested and awaited when it is read."""

    def __init__(self, protocol: RSGIHTTPProtocol) -> None:
        self._protocol: Any = protocol  # `None` once closed
        self._chunks: Any = None
        self._chunk = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Release an unread body: the connection can neither continue nor end while it may still be read."""
        self._protocol = self._chunks = None
        super().close()

    def readinto(self, buffer: Any) -> int:
        if not self._chunk:
            self._chunk = memoryview(self._next())
        size = min(len(buffer), len(self._chunk))
        buffer[:size], self._chunk = self._chunk[:size], self._chunk[size:]
        return size

    def _next(self) -> bytes:
        """Return the next piece, empty at the end."""
        if self._chunks is None:
            self._chunks = aiter(self._protocol)
        try:
            coming = anext(self._chunks)
        except StopAsyncIteration:
            return b""
        here = threading.Event()
        coming.add_done_callback(lambda _: here.set())
        here.wait()
        return bytes(coming.result())


_environ_key = lru_cache(maxsize=1024)(_convert)
_LONGEST_KNOWN_NAME = 64  # characters: callers choose the names, and longer ones would fill the memory
_WITHOUT_PREFIX = ("CONTENT_TYPE", "CONTENT_LENGTH")
_SEPARATORS = {"HTTP_COOKIE": ";"}
_SAME_FOR_ALL: WSGIEnvironment = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}
