"""A proxy before the service, which answers some requests by itself and loses the responses to others."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

LOSE = 0  # the response to the request, which the service has done
_OF_A_HOP = {"connection", "transfer-encoding", "keep-alive", "date", "server"}


@dataclass
class Proxy:
    """Where it listens, what it does to the next POSTs (a status, or `LOSE`), and the keys of those that came."""

    url: str
    faults: list[int] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


@contextmanager
def proxying(service: str) -> Iterator[Proxy]:
    """Run a proxy before a service inside the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            self._forward()

        def do_POST(self) -> None:  # noqa: N802
            proxy.keys.append(self.headers["Idempotency-Key"])
            fault = proxy.faults.pop(0) if proxy.faults else None
            if fault is None or fault == LOSE:
                self._forward(lose=fault == LOSE)
                return
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(fault)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _forward(self, *, lose: bool = False) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            there = http.client.HTTPConnection(urlsplit(service).netloc)
            there.request(self.command, self.path, body, dict(self.headers))
            answer = there.getresponse()
            content = answer.read()
            there.close()
            if lose:
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_A_HOP:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
