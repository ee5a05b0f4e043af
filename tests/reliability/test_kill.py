"""The server is killed amid many reports: what it acknowledged is there, and nothing is there by halves."""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from subprocess import Popen
from threading import Event
from typing import Any

import pytest

from tests.demo_data import access_token, load_demo_data
from tests.reliability.databases import new_database
from tests.serving import free_port, kill, new_keys, start_server

pytestmark = pytest.mark.served

REPORTS, CLIENTS, KILLED_AT = 160, 8, 50
SNAPSHOTS = "/api/v1/models/mdl-7f3a19bc92/versions/ver-001a1/snapshots"


@dataclass
class Reporters:
    """Clients that report numbered snapshots to a server on a port, until all are acknowledged or it is gone."""

    port: int
    access: str
    acknowledged: dict[int, str] = field(default_factory=dict)  # by number, the id
    many_are: Event = field(default_factory=Event)

    def report(self, numbers: Iterator[int]) -> None:
        """Report those of the numbers that no other client takes."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            for number in numbers:
                self.acknowledged[number] = self._post(connection, number)
                if len(self.acknowledged) >= KILLED_AT:
                    self.many_are.set()
        except (OSError, HTTPException):  # the server is gone
            return
        finally:
            connection.close()

    def _post(self, connection: HTTPConnection, number: int) -> str:
        headers = {**self.headers, "Content-Type": "application/json", "Idempotency-Key": f"report {number}"}
        connection.request("POST", SNAPSHOTS, json.dumps(body_of(number)), headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        assert answer.status == 201, content
        return str(content["id"])

    def stored(self) -> list[dict[str, Any]]:
        """Return all snapshots that were reported."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        found: list[dict[str, Any]] = []
        url: str | None = f"{SNAPSHOTS}?page_size=200&dataset_split=train"
        while url:
            connection.request("GET", url, headers=self.headers)
            page = json.loads(connection.getresponse().read())
            found += [snapshot for snapshot in page["results"] if snapshot["source"] == "reported"]
            url = page["next"]
        connection.close()
        return found

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


def body_of(number: int) -> dict[str, Any]:
    """Return a report of which every second has details."""
    body = {"dataset_split": "train", "metrics": {"accuracy": 0.5}, "sample_count": number}
    return body | ({"custom_metrics": {"number": number}} if number % 2 else {})


def report_all(reporters: Reporters, numbers: Iterable[int], *, killing: Popen[bytes] | None = None) -> None:
    """Have all clients report; where a server is given, kill it once many reports are acknowledged."""
    left = iter(numbers)
    with ThreadPoolExecutor(CLIENTS) as threads:
        under_way = [threads.submit(reporters.report, left) for _ in range(CLIENTS)]
        if killing is not None:
            assert reporters.many_are.wait(timeout=120)
            kill(killing)
    for one in under_way:
        one.result()


def test_what_was_acknowledged_is_there_whole_and_a_repetition_adds_only_what_is_missing(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": new_database(tmp_path), **new_keys()}
    load_demo_data(**settings)
    reporters = Reporters(free_port(), access_token("ed", **settings))

    report_all(reporters, range(1, REPORTS + 1), killing=start_server(reporters.port, **settings))
    acknowledged = dict(reporters.acknowledged)

    server = start_server(reporters.port, **settings)
    try:
        stored = reporters.stored()
        assert KILLED_AT <= len(acknowledged) < REPORTS
        assert set(acknowledged.values()) <= {snapshot["id"] for snapshot in stored}
        assert_whole(stored)

        report_all(reporters, (number for number in range(1, REPORTS + 1) if number not in acknowledged))
        stored = reporters.stored()
        assert sorted(snapshot["sample_count"] for snapshot in stored) == [*range(1, REPORTS + 1)]
        assert_whole(stored)
    finally:
        kill(server)


def assert_whole(stored: list[dict[str, Any]]) -> None:
    for snapshot in stored:
        body = body_of(snapshot["sample_count"])
        assert snapshot["metrics"]["accuracy"] == 0.5
        assert snapshot["custom_metrics"] == body.get("custom_metrics", {})
