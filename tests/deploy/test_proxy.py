"""The proxy in front of the service: slow callers end there, and the service is told who asks."""

import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.api import refusal
from tests.deploy.proxy import configuration, proxy
from tests.serving import free_port, serve

pytestmark = [pytest.mark.served, pytest.mark.once]

SENDERS, ADDRESSES = 200, 10
SLOWEST = 0.1  # seconds that /healthz may take meanwhile
ROUNDS, ASKED = 3, 50
UPLOADS = "/api/v1/models/mdl-0123456789/versions/ver-00001/evaluations"


class Echo(BaseHTTPRequestHandler):
    """Answers with the request's headers and the length of its body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = len(self.rfile.read(int(self.headers["Content-Length"] or 0)))
        content = json.dumps({"headers": dict(self.headers.items()), "length": length}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def echo() -> Iterator[str]:
    """Serve the echo; give its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Answer:
    """An answer, read as those of Django's test client are."""

    status_code: int
    headers: Message
    content: bytes

    def __getitem__(self, header: str) -> str:
        return str(self.headers[header])

    def json(self) -> Any:
        """Return the document."""
        return json.loads(self.content)


def ask(url: str, data: bytes | None = None, **headers: str) -> Answer:
    """Return the answer to a request."""
    request = urllib.request.Request(url, data, {name.replace("__", "-"): each for name, each in headers.items()})  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=10)  # noqa: S310
    except urllib.error.HTTPError as refused:
        answer = refused
    with answer:
        return Answer(answer.status, answer.headers, answer.read())


def begin(url: str, source: str, path: str = "/api/v1/auth/token") -> socket.socket:
    """Announce a body from an address of this machine, and send nothing of it."""
    parts = urlsplit(url)
    caller = socket.create_connection((parts.hostname or "", parts.port or 0), source_address=(source, 0))
    caller.sendall(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer token\r\n".encode()
        + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    )
    return caller


@contextmanager
def slow_senders(url: str) -> Iterator[None]:
    """Have many callers send a byte a second while the context lasts."""
    over = threading.Event()
    with ExitStack() as open_ones:
        callers = [open_ones.enter_context(begin(url, f"127.0.1.{i % ADDRESSES + 1}")) for i in range(SENDERS)]

        def send() -> None:
            while not over.wait(1):
                for caller in callers:
                    caller.send(b" ")

        sending = threading.Thread(target=send)
        sending.start()
        try:
            yield
        finally:
            over.set()
            sending.join()


def slowest_of(url: str) -> float:
    """Return how long the slowest of some requests takes."""
    durations = []
    for _ in range(ASKED):
        start = time.perf_counter()
        assert ask(url).status_code == 200
        durations.append(time.perf_counter() - start)
    return max(durations)


def test_nginx_accepts_the_configuration(nginx: str, tmp_path: Path) -> None:
    file = configuration(tmp_path, listen=free_port(), upstream="127.0.0.1:8000")

    tested = subprocess.run([nginx, "-t", "-c", file, "-e", "stderr"], capture_output=True, text=True)

    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr


def test_slow_senders_do_not_delay_others(nginx: str, tmp_path: Path) -> None:
    with (
        serve(DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3", TRUSTED_PROXIES="1") as service,
        proxy(nginx, service) as url,
        slow_senders(url),
    ):
        best = min(slowest_of(f"{url}/healthz") for _ in range(ROUNDS))  # as the machine may have other work

    assert best < SLOWEST


def test_the_service_learns_who_asks(nginx: str, echo: str) -> None:
    with proxy(nginx, echo) as url:
        asked = ask(
            f"{url}/",
            X__Forwarded__For="1.2.3.4",
            X__Forwarded__Proto="https",
            X_Forwarded_For="5.6.7.8",
            X_Forwarded_Proto="https",
            Host="registry.example.com:8443",
        )

    headers = {name.lower(): value for name, value in asked.json()["headers"].items()}
    assert headers["x-forwarded-for"] == "1.2.3.4, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["host"] == "registry.example.com:8443"
    assert not [name for name in headers if "_" in name]


def test_behind_another_proxy_the_protocol_may_be_fixed(nginx: str, echo: str) -> None:
    with proxy(nginx, echo, PROXY_FORWARDED_PROTO="https") as url:
        assert ask(f"{url}/").json()["headers"]["X-Forwarded-Proto"] == "https"


def test_the_log_has_no_link_for_a_new_password(nginx: str, echo: str, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with proxy(nginx, echo, PROXY_LOG=str(log)) as address:
        for path in ("/admin/login/new-password/MQ/c0-secret/", "/admin//login/new-password/MQ/c1-secret/", "/healthz"):
            urllib.request.urlopen(f"{address}{path}?query").close()  # noqa: S310

    lines = log.read_text()
    assert ("new-password/..." in lines, '"GET /healthz"' in lines) == (True, True)
    assert "secret" not in lines
    assert "query" not in lines


def test_a_body_comes_whole_and_with_its_length(nginx: str, echo: str) -> None:
    with proxy(nginx, echo) as url:
        assert ask(f"{url}/", b"x" * 2**21).json()["length"] == 2**21
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as caller:
            caller.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            caller.sendall(b"3\r\nabc\r\n0\r\n\r\n")
            answer = b"".join(iter(lambda: caller.recv(65536), b""))
    asked = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert asked["length"] == 3
    assert "Transfer-Encoding" not in asked["headers"]


def announce(url: str, path: str, length: int, *headers: str) -> Answer:
    """Return the answer to a request that announces a body and sends nothing of it."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as caller:
        lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {length}", *headers, "", ""]
        caller.sendall("\r\n".join(lines).encode())
        answer = HTTPResponse(caller)
        answer.begin()
        return Answer(answer.status, answer.headers, answer.read())


@pytest.mark.parametrize(("path", "megabytes"), [("/a", 2), (f"{UPLOADS}/a", 2), (UPLOADS, 4)])
def test_a_body_over_the_limit_is_refused(nginx: str, echo: str, path: str, megabytes: int) -> None:
    with proxy(nginx, echo, PROXY_BODY_MB="4") as url:
        refused = announce(url, path, megabytes * 2**20 + 1, "Authorization: Bearer token")

    assert refusal(refused) == (413, "payload_too_large")
    assert refused.json()["instance"] == path
    assert f"over {megabytes} MB" in refused.json()["detail"]


def test_only_an_upload_may_be_large(nginx: str, echo: str) -> None:
    with proxy(nginx, echo, PROXY_BODY_MB="4") as url:
        received = ask(f"{url}{UPLOADS}", b"x" * 2**22, Authorization="Bearer token")

    assert received.json()["length"] == 2**22


@pytest.mark.parametrize(
    "headers", [(), ("Authorization:",), ("Authorization: Bearer ",), ("Authorization: Basic YTpi",)]
)
def test_an_upload_without_a_token_is_refused_before_its_body(nginx: str, echo: str, headers: tuple[str, ...]) -> None:
    with proxy(nginx, echo) as url:
        refused = announce(url, UPLOADS, 2**22, *headers)

    assert refusal(refused) == (401, "not_authenticated")
    assert refused["WWW-Authenticate"] == "Bearer"
    assert refused.json()["instance"] == UPLOADS


def test_one_address_makes_few_uploads_at_a_time(nginx: str, echo: str) -> None:
    with proxy(nginx, echo, PROXY_UPLOADS_PER_ADDRESS="2") as url, ExitStack() as open_ones:
        for _ in range(2):
            open_ones.enter_context(begin(url, "127.0.0.1", UPLOADS))
        time.sleep(0.2)
        refused = ask(f"{url}{UPLOADS}", b"x", Authorization="Bearer token")
        other = ask(f"{url}/a")

    assert refusal(refused) == (429, "throttled")
    assert other.status_code == 200


def test_one_address_has_a_limit_and_others_do_not_feel_it(nginx: str, echo: str) -> None:
    with proxy(nginx, echo, PROXY_CONNECTIONS_PER_ADDRESS="5") as url, ExitStack() as open_ones:
        for _ in range(5):
            open_ones.enter_context(begin(url, "127.0.0.1"))
        time.sleep(0.2)
        refused = ask(f"{url}/a?b=c")
        other = begin(url, "127.0.1.1")
        other.sendall(b"x" * 100_000)
        other.settimeout(10)
        received = other.recv(65536)
        other.close()

    assert refusal(refused) == (429, "throttled")
    assert refused["Retry-After"] == "1"
    assert refused.json()["instance"] == "/a"
    assert received.startswith(b"HTTP/1.1 200 ")


def test_without_the_service_the_answer_is_a_problem_document(nginx: str) -> None:
    with proxy(nginx, f"http://127.0.0.1:{free_port()}") as url:
        answer = ask(f"{url}/api/v1/models")

    assert refusal(answer) == (503, "service_unavailable")
    assert answer["Retry-After"] == "2"


@pytest.mark.parametrize("path", ['/"', "/a\\b", "/%00"])
def test_a_hostile_path_leaves_a_problem_document_whole(nginx: str, path: str) -> None:
    with proxy(nginx, f"http://127.0.0.1:{free_port()}") as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as caller:
            caller.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: caller.recv(65536), b""))

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] in {"service_unavailable", "invalid_parameter"}
