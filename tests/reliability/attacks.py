"""What one caller may do to a server that costs it much: each attack by itself."""

import itertools
import json
import re
import secrets
import select
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from threading import Event
from urllib.parse import urlencode

from tests.forms import BOUNDARY, multipart
from tests.reliability.large_records import COMPARED, COMPARED_VERSIONS, LABELS, SCREENED, SUMMARIZED
from tests.reliability.load import Attack, Blows, Client, Service, repeat

SCREENED_PERFORMANCE = f"/api/v1/models/{SCREENED}/performance"
REFUSED = (429, 503)
RETRY_AFTER = 1.0  # seconds, as a refusal says
FORM = f"multipart/form-data; boundary={BOUNDARY}"
UPLOAD_BYTES = 60 * 2**20
BUFFERED = 16 * 2**20  # bytes that a connection may hold on their way
STORED = 40 * 2**20  # bytes
TURN_WITHIN = 60  # seconds
ALL_WITHIN = 120  # seconds, for as many evaluations as may be queued
LONGEST_EVALUATION = 30  # seconds
CSRF = "a" * 32
COMPRESSED = {"Accept-Encoding": "gzip"}
UPLOADED = frozenset({202, 400, 409, 413, 422, *REFUSED})
OF_OTHERS = "mdl-00000000b1"


def fetch_documents(service: Service, number: int, over: Event, blows: Blows) -> None:
    """Load the pages of the API's documentation with everything in them, as browsers do."""
    with closing(service.client()) as client:
        pages = [client.ask("GET", page)[1].decode() for page in ("/api/docs", "/api/redoc")]
    files = [path for page in pages for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page)]
    repeat("", "/api/docs", "/api/redoc", *files, **COMPRESSED)(service, number, over, blows)


def read_matrices(service: Service, number: int, over: Event, blows: Blows) -> None:
    """Read the largest confusion matrix by every route that shows it."""
    snapshots = f"/api/v1/models/{SCREENED}/versions/ver-00001/snapshots"
    with closing(service.client("vera")) as client:
        newest = client.json("GET", snapshots)[1]["results"][0]["id"]
    matrix = f"{SCREENED_PERFORMANCE}/confusion-matrix"
    paths = (matrix, f"{matrix}?normalize=actual", f"{matrix}?normalize=predicted", f"{snapshots}/{newest}")
    repeat("vera", *paths)(service, number, over, blows)


def log_in(service: Service, number: int, over: Event, blows: Blows) -> None:
    """Log in as users that do not exist, each once."""
    with closing(service.client()) as client:
        while not over.is_set():
            body = json.dumps({"username": _nobody(), "password": "guess"})
            answer = client.ask("POST", "/api/v1/auth/token", body, **{"Content-Type": "application/json"})
            _note_and_wait(over, blows, *answer)


def log_in_to_admin(service: Service, number: int, over: Event, blows: Blows) -> None:
    """Log in to the admin as users that do not exist, each once."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={CSRF}"}
    with closing(service.client()) as client:
        while not over.is_set():
            form = urlencode({"username": _nobody(), "password": "guess", "csrfmiddlewaretoken": CSRF})
            _note_and_wait(over, blows, *client.ask("POST", "/admin/login/", form, **headers))


def _nobody() -> str:
    return f"nobody-{secrets.token_hex(8)}"


def _note_and_wait(over: Event, blows: Blows, status: int, body: bytes) -> None:
    """Note an answer. After a refusal wait as long as it says, as the attacker gains nothing from asking sooner."""
    blows.note(status, body)
    if status in REFUSED:
        over.wait(RETRY_AFTER)


class Comparison:
    """Readers that all compare the same two versions, others in every round."""

    def __init__(self) -> None:
        self.path = ""

    def choose(self, service: Service, round_number: int) -> None:
        """Choose a pair that nobody has compared yet."""
        newer, older = (2 + (round_number + each) % COMPARED_VERSIONS for each in (0, 1))
        self.path = (
            f"/api/v1/models/{COMPARED}/performance/compare"
            f"?version_id=ver-{newer:05x}&baseline_version_id=ver-{older:05x}"
        )

    def strike(self, service: Service, number: int, over: Event, blows: Blows) -> None:
        """Compare again and again."""
        with closing(service.client("vera")) as client:
            while not over.is_set():
                _note_and_wait(over, blows, *client.ask("GET", self.path))


def upload_as_stranger(service: Service, number: int, over: Event, blows: Blows) -> None:
    """Upload sixty megabytes to a model on which the caller has no right, until the server answers."""
    while not over.is_set():
        sent, status = send_until_answered(service, "otto")
        blows.note(status, b"")
        blows.largest = max(blows.largest, sent)


def send_until_answered(service: Service, user: str) -> tuple[int, int]:
    """Send an upload piece by piece until an answer comes; return how many bytes were sent, and the status."""
    path = f"/api/v1/models/{SUMMARIZED}/versions/ver-00001/evaluations"
    before, after = multipart(dataset_split="test", file="actual,predicted\nMARK").encode().split(b"MARK")
    length = len(before) + UPLOAD_BYTES + len(after)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {service.tokens[user]}\r\n"
        f"Content-Type: {FORM}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        sent = _send(connection, (head.encode() + before, *_pieces(), after))
        try:
            answer = connection.recv(64)
        except OSError:  # the server closed the connection before the client could read the answer
            answer = b""
    return sent, int(answer.split()[1]) if answer else 0


def _send(connection: socket.socket, pieces: Iterable[bytes]) -> int:
    """Send pieces until there is an answer to read or the connection is closed; return how many bytes were sent."""
    sent = 0
    for piece in pieces:
        if select.select([connection], [], [], 0)[0]:
            break
        try:
            connection.sendall(piece)
        except OSError:
            break
        sent += len(piece)
    return sent


def _pieces() -> Iterator[bytes]:
    piece = b"yes,yes\n" * 2**13
    return itertools.repeat(piece, UPLOAD_BYTES // len(piece))


class GiantNames:
    """An upload of a thousand wrong predictions with twenty attributes, whose names have twenty thousand characters."""

    def __init__(self) -> None:
        names = [f"{at:02}{secrets.token_hex(10_000)}" for at in range(20)]
        rows = "".join(f"{row},yes,no{',1' * len(names)}\n" for row in range(1000))
        self.form = {
            "file": f"example_id,actual,predicted,{','.join(names)}\n{rows}",
            "columns": json.dumps({"attributes": names}),
        }
        self.stored_before = 0

    def prepare(self, service: Service, round_number: int) -> None:
        """Note what is stored."""
        self.stored_before = self._stored(service)

    def strike(self, service: Service, number: int, over: Event, blows: Blows) -> None:
        """Upload once: how much is stored matters, not how often."""
        with closing(service.client("ed")) as client:
            blows.note(*evaluate(client, SUMMARIZED, **self.form))

    def check(self, service: Service, blows: Blows) -> None:
        """Check that little was stored."""
        service.until_evaluated(within=60)
        stored = self._stored(service) - self.stored_before
        assert stored <= STORED, f"{stored:,} bytes are stored"

    def _stored(self, service: Service) -> int:
        return int(service.query("SELECT pg_database_size(current_database())"))


def many_labels(service: Service, number: int, over: Event, blows: Blows) -> None:
    """Upload two megabytes of predictions that have a thousand labels."""
    rows = "".join(
        f"species {row % LABELS:04},species {row * (row // LABELS + 1) % LABELS:04}\n" for row in range(80_000)
    )
    with closing(service.client("ed")) as client:
        blows.note(*evaluate(client, SUMMARIZED, file=f"actual,predicted\n{rows}"))


def evaluate(client: Client, model_id: str, **fields: str) -> tuple[int, bytes]:
    """Ask for an evaluation of the first version of a model."""
    form = multipart(**{"dataset_split": "test", **fields}).encode()
    path = f"/api/v1/models/{model_id}/versions/ver-00001/evaluations"
    return client.ask("POST", path, form, **{"Content-Type": FORM})


def hold_write_lock(service: Service, number: int, over: Event, blows: Blows) -> None:
    """Hold SQLite's lock for writers, as the first attacker; the others are refused again and again."""
    if number:
        repeat("", "/api/v1/models")(service, number, over, blows)
        return
    with closing(sqlite3.connect(service.settings["DATABASE_URL"].removeprefix("sqlite:///"))) as writer:
        writer.execute("BEGIN IMMEDIATE")
        over.wait()


def largest_answer(most: int) -> Callable[[Service, Blows], None]:
    """Return a check that no answer has more bytes."""

    def check(service: Service, blows: Blows) -> None:
        assert blows.largest <= most, f"an answer has {blows.largest:,} bytes"

    return check


def stops_strangers(service: Service, blows: Blows) -> None:
    """Check that strangers are refused before they have sent more than the sockets' buffers hold."""
    assert blows.statuses[403] + blows.statuses[404] > 0
    assert blows.largest <= BUFFERED, f"the server took {blows.largest:,} bytes of a stranger"


def lets_others_take_turns(service: Service, blows: Blows) -> None:
    """Check that another organization's evaluation gets its turn, and that no evaluation holds a worker for long."""
    with closing(service.client("otto")) as client:
        status, body = evaluate(client, OF_OTHERS, file="actual,predicted\nyes,yes\nno,yes\n")
        assert status == 202, body
        path, deadline = f"/api/v1/evaluations/{json.loads(body)['id']}", time.monotonic() + TURN_WITHIN
        while client.json("GET", path)[1]["finished_at"] is None:
            assert time.monotonic() < deadline, "another organization's evaluation does not get its turn"
            time.sleep(0.2)
    service.until_evaluated(within=ALL_WITHIN)
    longest = service.query("SELECT extract(epoch FROM max(finished_at - started_at)) FROM performance_evaluationjob")
    assert longest <= LONGEST_EVALUATION, f"an evaluation took {longest:.0f} s"


comparison = Comparison()
giant_names = GiantNames()

ATTACKS = [
    Attack("schema", repeat("", "/api/schema", **COMPRESSED), frozenset({200}), check=largest_answer(200_000)),
    Attack("documentation pages", fetch_documents, frozenset({200})),
    Attack("matrix of 1,000 labels", read_matrices, frozenset({200, 503})),
    Attack(
        "report and curves of 1,000 classes",
        repeat("vera", f"{SCREENED_PERFORMANCE}/report", f"{SCREENED_PERFORMANCE}/curves"),
        frozenset({200, 503}),
    ),
    Attack("60 logins", log_in, frozenset({401, *REFUSED}), connections=60),
    Attack("60 logins to the admin", log_in_to_admin, frozenset({200, *REFUSED}), connections=60),
    Attack(
        "8 comparisons of 900,000 rows",
        comparison.strike,
        frozenset({200, 503}),
        connections=8,
        prepare=comparison.choose,
    ),
    Attack("uploads of strangers", upload_as_stranger, frozenset({0, 403, 404}), check=stops_strangers),
    Attack(
        "upload of giant names",
        giant_names.strike,
        UPLOADED,
        connections=1,
        prepare=giant_names.prepare,
        check=giant_names.check,
    ),
    Attack("uploads of 1,000 labels", many_labels, UPLOADED, connections=2, check=lets_others_take_turns),
]
LOCKED = Attack("write lock on SQLite", hold_write_lock, frozenset({401}))
