"""Workers are killed, stopped and many; callers hang up: an upload still comes to one snapshot, and no file is left."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.demo_data import access_token, load_demo_data
from tests.forms import BOUNDARY, multipart
from tests.reliability.databases import execute, new_database
from tests.serving import ROOT, free_port, kill, new_keys, start_server

pytestmark = pytest.mark.served

VERSIONS = "/api/v1/models/mdl-7f3a19bc92/versions"
EVALUATIONS = f"{VERSIONS}/ver-001a1/evaluations"
SMALL = "actual,predicted\nyes,yes\nno,yes\n"
LARGE = "actual,predicted,score\n" + "yes,yes,0.75\nno,yes,0.5\nno,no,0.25\n" * 80_000
WITHIN = 120
DUE = "UPDATE performance_evaluationjob SET due_at = CURRENT_TIMESTAMP WHERE state = 'running'"

OPEN_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
"""


@dataclass
class Service:
    """The service and its workers, on a database and a folder of files of their own."""

    folder: Path
    settings: dict[str, str]
    port: int
    access: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker, which works in a folder of its own."""
        own = self.folder / f"work-{len(self.processes)}"
        own.mkdir()
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **self.settings, "TMPDIR": str(own)}
        with self.log(len(self.processes)).open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "manage.py", "worker"], cwd=ROOT, env=environment, start_new_session=True, stderr=log
            )
        self.processes.append(worker)
        return worker

    def pause(self, worker: subprocess.Popen[bytes]) -> None:
        """Stop a worker between two transactions: one that holds a lock would make the others wait too."""
        with psycopg.connect(self.settings["DATABASE_URL"], autocommit=True) as other:
            worker.send_signal(signal.SIGSTOP)
            while other.execute(OPEN_TRANSACTIONS).fetchone() != (0,):
                worker.send_signal(signal.SIGCONT)
                time.sleep(0.05)
                worker.send_signal(signal.SIGSTOP)

    def log(self, number: int) -> Path:
        """Return where a worker's log is, by its place among the workers. It is no file of the service's."""
        return self.folder.with_name(f"{self.folder.name}-worker-{number}.log")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.access}", **headers}
        is_chunked = headers.get("Transfer-Encoding") == "chunked"
        with suppress(BrokenPipeError):  # as it may answer before it has read all
            connection.request(method, path, body, headers, encode_chunked=is_chunked)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        return answer.status, content

    @property
    def work(self) -> Path:
        """The folder in which the newest worker works."""
        return self.folder / f"work-{len(self.processes) - 1}"

    def upload(self, content: str, *, path: str = EVALUATIONS, **headers: str) -> tuple[int, Any]:
        """Send predictions."""
        form = multipart(dataset_split="test", file=content).encode()
        return self.ask("POST", path, form, **{"Content-Type": CONTENT_TYPE, **headers})

    def evaluation(self, uploaded: tuple[int, Any]) -> Any:
        """Return what has become of an upload."""
        assert uploaded[0] == 202, uploaded
        return self.ask("GET", f"/api/v1/evaluations/{uploaded[1]['id']}")[1]

    def computed(self) -> list[Any]:
        """Return the snapshots that were computed."""
        listed = self.ask("GET", EVALUATIONS.replace("evaluations", "snapshots") + "?page_size=200")[1]["results"]
        return [snapshot for snapshot in listed if snapshot["source"] == "computed"]

    def files(self) -> list[Path]:
        """Return the uploads and the files of evaluations that there are, but what is kept to compare."""
        found = [path for path in self.folder.rglob("*") if path.is_file() and "sqlite" not in path.name]
        return [path for path in found if "predictions" not in path.relative_to(self.folder).parts]

    def end_workers(self) -> None:
        """End those that have not ended."""
        for worker in self.processes:
            if worker.poll() is None:
                kill(worker)

    def let_leases_end(self) -> None:
        """Have what was taken come due, as if a minute had passed."""
        execute(self.settings["DATABASE_URL"], DUE)


CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with the fixtures' data."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "files").mkdir()
    settings = {
        "DATABASE_URL": new_database(folder),
        "STORAGE_URL": f"file://{folder}/files",
        "MAX_UPLOAD_MB": "16",
        **new_keys(),
    }
    load_demo_data(**settings)
    access = access_token("ed", **settings)
    service = Service(folder, settings, free_port(), access)
    temporary = folder / "server"
    temporary.mkdir()
    server = start_server(service.port, **settings, TMPDIR=str(temporary))
    yield service
    kill(server)


@pytest.fixture
def service(running: Service) -> Iterator[Service]:
    """The service without a worker, all of which end with the test."""
    yield running
    running.end_workers()


def until(true: Callable[[], Any]) -> Any:
    """Return what becomes true within some time."""
    deadline = time.monotonic() + WITHIN
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def ended(service: Service, uploaded: tuple[int, Any]) -> Any:
    return until(lambda: (found := service.evaluation(uploaded))["finished_at"] and found)


def test_who_prefers_to_wait_gets_the_snapshot_or_the_problem_at_once(service: Service) -> None:
    service.start_worker()
    status, evaluation = service.upload(SMALL, Prefer="wait=30")
    assert (status, evaluation["state"]) == (201, "succeeded")
    assert evaluation["snapshot"]["metrics"]["accuracy"] == 0.5

    status, problem = service.upload("actual\nyes\n", Prefer="respond-async, wait=30")
    assert (status, problem["code"], problem["column"]) == (422, "unprocessable_predictions", "predicted")


def test_the_response_without_a_worker_says_where_to_ask(service: Service) -> None:
    status, evaluation = service.upload(SMALL, Prefer="wait=1")
    assert (status, evaluation["state"]) == (202, "queued")
    service.start_worker()
    assert ended(service, (status, evaluation))["state"] == "succeeded"


def test_the_evaluation_of_a_worker_that_is_killed_is_done_by_another_once(service: Service) -> None:
    before = len(service.computed())
    first = service.start_worker()
    uploaded = service.upload(LARGE)
    until(lambda: [*service.work.rglob("job.json")])  # it is being evaluated

    os.kill(first.pid, signal.SIGKILL)  # the worker alone: the evaluation's own process must notice by itself
    first.wait()
    until(lambda: not [*service.work.iterdir()])
    assert service.evaluation(uploaded)["state"] == "running"

    service.let_leases_end()
    service.start_worker()
    assert ended(service, uploaded)["state"] == "succeeded"
    assert len(service.computed()) == before + 1
    until(lambda: not service.files())


def test_a_worker_that_stood_still_past_its_lease_notices_that_another_did_its_evaluation(service: Service) -> None:
    before, number = len(service.computed()), len(service.processes)
    first = service.start_worker()
    uploaded = service.upload(LARGE)
    until(lambda: [*service.work.rglob("job.json")])  # it is being evaluated

    service.pause(first)
    try:
        service.let_leases_end()
        service.start_worker()
        done = ended(service, uploaded)
    finally:
        first.send_signal(signal.SIGCONT)
    assert done["state"] == "succeeded"

    until(lambda: "Another process has taken the evaluation" in service.log(number).read_text())
    assert service.evaluation(uploaded) == done
    assert len(service.computed()) == before + 1
    until(lambda: not service.files())
    assert first.poll() is None  # it goes on with other work


def test_a_worker_that_stops_releases_its_evaluation(service: Service) -> None:
    before = len(service.computed())
    first = service.start_worker()
    uploaded = service.upload(LARGE)
    until(lambda: [*service.work.rglob("job.json")])

    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=WITHIN) == 0
    assert service.evaluation(uploaded)["state"] == "queued"

    service.start_worker()
    assert ended(service, uploaded)["state"] == "succeeded"
    assert len(service.computed()) == before + 1
    until(lambda: not service.files())


def test_a_worker_that_stops_ends_a_comparison_and_keeps_the_snapshot(service: Service) -> None:
    rows = "".join(f"{number},yes,yes,0.75\n" for number in range(100_000))
    content = f"example_id,actual,predicted,score\n{rows}"
    status, version = service.ask("POST", VERSIONS, b"{}", **{"Content-Type": "application/json"})
    assert status == 201, version
    path = f"{VERSIONS}/{version['version_id']}"
    service.ask("PATCH", path, b'{"state": "completed"}', **{"Content-Type": "application/json"})
    worker = service.start_worker()
    assert ended(service, service.upload(content))["state"] == "succeeded"

    uploaded = service.upload(content, path=f"{path}/evaluations")
    until(lambda: [*service.work.glob("*-comparison-*/job.json")])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=WITHIN) == 0
    assert service.evaluation(uploaded)["state"] == "succeeded"
    assert not service.files()


def test_several_workers_do_each_evaluation_once(service: Service) -> None:
    before = len(service.computed())
    uploaded = [service.upload(SMALL) for _ in range(6)]
    for _ in range(3):
        service.start_worker()
    assert {ended(service, each)["state"] for each in uploaded} == {"succeeded"}
    assert len(service.computed()) == before + 6
    until(lambda: not service.files())


def test_an_upload_that_is_broken_off_leaves_no_file(service: Service) -> None:
    form = multipart(dataset_split="test", file=LARGE).encode()
    head = f"POST {EVALUATIONS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {service.access}\r\n"
    head += f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(form)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(head.encode() + form[: len(form) // 2])
    status, _ = service.ask("GET", "/api/v1/models")
    assert status == 200
    assert not service.files()


def test_an_upload_without_a_length_is_taken_piece_by_piece_up_to_the_limit(service: Service) -> None:
    def pieces(megabytes: int) -> Iterator[bytes]:
        before, after = multipart(dataset_split="test", file="actual,predicted\nMARK").encode().split(b"MARK")
        yield before
        for _ in range(megabytes):
            yield b"yes,yes\n" * 2**17
        yield after

    chunked = {"Content-Type": CONTENT_TYPE, "Transfer-Encoding": "chunked"}
    uploaded = service.ask("POST", EVALUATIONS, pieces(4), **chunked)
    service.start_worker()
    assert ended(service, uploaded)["snapshot"]["sample_count"] == 4 * 2**17
    status, problem = service.ask("POST", EVALUATIONS, pieces(17), **chunked)
    assert (status, problem["code"]) == (413, "payload_too_large")
    assert not service.files()
