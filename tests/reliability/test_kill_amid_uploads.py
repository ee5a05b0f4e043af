"""The server is killed amid uploads and promotions: what it acknowledged is there, and repeating adds nothing."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.demo_data import access_token, load_demo_data
from tests.forms import BOUNDARY, multipart
from tests.reliability.databases import new_database
from tests.serving import ROOT, free_port, kill, manage, new_keys, start_server

pytestmark = pytest.mark.served

MODEL = "/api/v1/models/mdl-c41e08d5a7"
UPLOADED_TO = f"{MODEL}/versions/ver-00001"
PROMOTED = ("ver-00001", "ver-00002")
CLIENTS = 4  # of each kind
UPLOADS, UPLOADS_KILLED_AT = 8, 3
PROMOTIONS, PROMOTIONS_KILLED_AT = 80, 20
EVALUATED_WITHIN = 120
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass
class Clients:
    """Clients that send numbered requests, each under a key of its own, until the server is gone."""

    port: int
    tokens: dict[str, str]
    uploaded: dict[int, str] = field(default_factory=dict)  # by number, the evaluation's id
    promoted: dict[int, str] = field(default_factory=dict)  # by number, the promotion's id
    are_many: Event = field(default_factory=Event)

    def upload(self, numbers: Iterator[int]) -> None:
        """Upload as many rows as each number says."""
        for number, connection in self._with_connection(numbers):
            rows = "yes,yes\n" + "no,yes\n" * (number - 1)
            form = multipart(dataset_split="train", file=f"actual,predicted\n{rows}")
            key = f"upload {number}"
            status, answer = self.send(connection, "ed", "POST", f"{UPLOADED_TO}/evaluations", form, key=key, **FORM)
            assert status == 202, answer
            self._note(self.uploaded, number, answer["id"])

    def promote(self, numbers: Iterator[int]) -> None:
        """Promote either version in turn."""
        for number, connection in self._with_connection(numbers):
            path = f"{MODEL}/versions/{PROMOTED[number % 2]}/promote"
            body = json.dumps({"reason": f"number {number}", "override": True})  # as the gate refuses both
            key = f"promotion {number}"
            status, answer = self.send(connection, "ada", "POST", path, body, key=key, **JSON)
            assert status == 200, answer
            self._note(self.promoted, number, answer["id"])

    def read(self, path: str) -> Any:
        """Return what a path has, all pages of it if it is a list."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            status, answer = self.send(connection, "ada", "GET", path)
        assert status == 200, answer
        if "results" not in answer:
            return answer
        return answer["results"] + (self.read(answer["next"]) if answer["next"] else [])

    def send(
        self,
        connection: HTTPConnection,
        user: str,
        method: str,
        path: str,
        body: str = "",
        *,
        key: str = "",
        **headers: str,
    ) -> tuple[int, Any]:
        """Return the status and the content of an answer."""
        headers = {
            **headers,
            "Authorization": f"Bearer {self.tokens[user]}",
            **({"Idempotency-Key": key} if key else {}),
        }
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def _with_connection(self, numbers: Iterator[int]) -> Iterator[tuple[int, HTTPConnection]]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            for number in numbers:
                yield number, connection

    def _note(self, acknowledged: dict[int, str], number: int, pk: str) -> None:
        assert acknowledged.setdefault(number, pk) == pk  # a repetition gets the first answer
        if len(self.uploaded) >= UPLOADS_KILLED_AT and len(self.promoted) >= PROMOTIONS_KILLED_AT:
            self.are_many.set()


def send_all(clients: Clients, *, killing: subprocess.Popen[bytes] | None = None) -> None:
    """Have all clients send all requests; where a server is given, kill it once many are acknowledged."""
    uploads, promotions = iter(range(1, UPLOADS + 1)), iter(range(1, PROMOTIONS + 1))
    with ThreadPoolExecutor(2 * CLIENTS) as threads:
        under_way = [threads.submit(clients.upload, uploads) for _ in range(CLIENTS)]
        under_way += [threads.submit(clients.promote, promotions) for _ in range(CLIENTS)]
        if killing is not None:
            assert clients.are_many.wait(timeout=120)
            kill(killing)
    for one in under_way:
        error = one.exception()
        if error is not None and not (killing and isinstance(error, OSError | HTTPException)):  # the server is gone
            raise error


def test_uploads_and_promotions_survive_that_the_server_is_killed(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    settings = {
        "DATABASE_URL": new_database(tmp_path),
        "STORAGE_URL": f"file://{files}",
        "GRANIAN_WORKERS": "2",
        **new_keys(),
    }
    load_demo_data(**settings)
    tokens = {name: access_token(name, **settings) for name in ("ada", "ed")}
    clients = Clients(free_port(), tokens)

    send_all(clients, killing=start_server(clients.port, **settings))
    uploaded, promoted = dict(clients.uploaded), dict(clients.promoted)
    assert len(uploaded) < UPLOADS or len(promoted) < PROMOTIONS  # it was amid them

    server = start_server(clients.port, **{**settings, "GRANIAN_WORKERS": "1"})
    try:
        assert {clients.read(f"/api/v1/evaluations/{pk}")["state"] for pk in uploaded.values()} == {"queued"}
        assert len(uploaded) <= len(uploads_in(files)) <= len(uploaded) + CLIENTS
        assert_consistent(clients, promoted)

        send_all(clients)  # each once more under its key
        assert len(set(clients.uploaded.values())) == UPLOADS
        assert_consistent(clients, clients.promoted)
        assert sorted(numbers_of(clients)) == [*range(1, PROMOTIONS + 1)]

        evaluate_all(clients, settings)
        forget_orphans(files, settings)
        assert not uploads_in(files)
    finally:
        kill(server)


def assert_consistent(clients: Clients, acknowledged: dict[int, str]) -> None:
    """Check that exactly the last promotion's version is promoted, and that each promotion follows the one before."""
    history = clients.read(f"{MODEL}/promotions?page_size=200")
    assert set(acknowledged.values()) <= {promotion["id"] for promotion in history}
    assert clients.read(MODEL)["promoted_version_id"] == history[0]["version_id"]
    for later, earlier in zip(history, history[1:], strict=False):
        assert later["previous_version_id"] == earlier["version_id"]
    summary = clients.read(f"{MODEL}/performance/summary")
    assert summary["version_id"] == history[0]["version_id"]


def numbers_of(clients: Clients) -> list[int]:
    """Return the numbers of the promotions that clients asked for."""
    reasons = [promotion["reason"] for promotion in clients.read(f"{MODEL}/promotions?page_size=200")]
    return [int(reason.removeprefix("number ")) for reason in reasons if reason.startswith("number ")]


def uploads_in(files: Path) -> list[Path]:
    """Return the uploads that are stored."""
    return [*(files / "uploads").glob("*")]


def evaluate_all(clients: Clients, settings: dict[str, str]) -> None:
    """Have a worker evaluate what was uploaded; check that each evaluation had its own file."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "HTTPS_ONLY": "false", **settings}
    command = [sys.executable, "manage.py", "worker"]
    worker = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + EVALUATED_WITHIN
        for number, pk in clients.uploaded.items():
            while (evaluation := clients.read(f"/api/v1/evaluations/{pk}"))["finished_at"] is None:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert evaluation["snapshot"]["sample_count"] == number, evaluation
    finally:
        kill(worker)


def forget_orphans(files: Path, settings: dict[str, str]) -> None:
    """Have what the killed server left behind deleted, as if two days had passed."""
    orphans = uploads_in(files)
    assert len(orphans) <= CLIENTS
    for path in orphans:
        os.utime(path, times=(0, 0))
    manage("purge", **settings)
