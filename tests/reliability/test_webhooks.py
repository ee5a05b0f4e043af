"""Workers are killed and stopped while they send messages to webhooks: each still arrives, with the same id."""

import os
import signal
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from tests.demo_data import access_token, load_demo_data
from tests.receiver import Receiver, status
from tests.reliability.databases import execute, new_database
from tests.reliability.test_worker import WITHIN, Service, until
from tests.serving import free_port, kill, new_keys, start_server

pytestmark = pytest.mark.served

MODEL = "/api/v1/models/mdl-7f3a19bc92"
WEBHOOKS = "/api/v1/organizations/acme/webhooks"
DUE = (
    "UPDATE performance_webhookdelivery SET due_at = CURRENT_TIMESTAMP WHERE state = 'running'",
    "UPDATE performance_webhook SET sending_until = CURRENT_TIMESTAMP",
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with the fixtures' data."""
    folder = tmp_path_factory.mktemp("service")
    settings = {
        "DATABASE_URL": new_database(folder),
        "STORAGE_URL": f"file://{folder}",
        "WEBHOOK_PRIVATE_HOSTS": "127.0.0.1",
        **new_keys(),
    }
    load_demo_data(**settings)
    access = access_token("ada", **settings)
    service = Service(folder, settings, free_port(), access)
    server = start_server(service.port, **settings)
    yield service
    kill(server)


@pytest.fixture
def service(running: Service) -> Iterator[Service]:
    """The service without a worker, all of which end with the test."""
    yield running
    running.end_workers()


def let_leases_end(service: Service) -> None:
    """Have what is being sent come due, as if its lease had ended."""
    for statement in DUE:
        execute(service.settings["DATABASE_URL"], statement)


def post(service: Service, path: str, body: str) -> Any:
    code, answer = service.ask("POST", path, body, **{"Content-Type": "application/json"})
    assert code in (200, 201), answer
    return answer


def promote_before(service: Service, receiver: Receiver) -> tuple[str, Any, Event]:
    """Promote a version; return where its message's state is, the webhook, and the event to set for an answer."""
    body = f'{{"url": "{receiver.url}", "events": ["version.promoted"]}}'
    webhook, answered = post(service, WEBHOOKS, body), Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        answered.wait(WITHIN)
        status(204)(handler)

    receiver.answers = [answer]
    post(service, f"{MODEL}/versions/ver-001a1/promote", '{"reason": "again"}')
    return f"{WEBHOOKS}/{webhook['id']}/deliveries", webhook, answered


def sending(service: Service, receiver: Receiver) -> subprocess.Popen[bytes]:
    """Start a worker, and return it once it has sent the first message."""
    worker = service.start_worker()
    until(lambda: receiver.messages)
    return worker


def delivery(service: Service, path: str) -> Any:
    [row] = service.ask("GET", path)[1]["results"]
    return row


def test_the_message_of_a_worker_that_is_killed_is_sent_again_by_another(service: Service, receiver: Receiver) -> None:
    path, webhook, answered = promote_before(service, receiver)
    worker = sending(service, receiver)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    answered.set()
    assert delivery(service, path)["state"] == "running"

    let_leases_end(service)
    service.start_worker()
    until(lambda: delivery(service, path)["state"] == "succeeded")

    first, second = receiver.messages
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert Verifier(webhook["secret"]).verify(second.body, second.headers)["type"] == "version.promoted"
    assert delivery(service, path)["attempts"] == 2


def test_a_worker_that_stood_still_past_its_lease_notices_that_another_sent_its_message(
    service: Service, receiver: Receiver
) -> None:
    path, _, answered = promote_before(service, receiver)
    number = len(service.processes)
    first = sending(service, receiver)

    service.pause(first)
    try:
        let_leases_end(service)
        service.start_worker()
        until(lambda: delivery(service, path)["state"] == "succeeded")
        done = delivery(service, path)
    finally:
        first.send_signal(signal.SIGCONT)
    answered.set()

    until(lambda: "is no longer this worker's" in service.log(number).read_text())
    assert delivery(service, path) == done
    first_sent, again = receiver.messages  # at least once, with the same id
    assert (first_sent.headers["webhook-id"], first_sent.body) == (again.headers["webhook-id"], again.body)
    assert done["attempts"] == 2


def test_a_worker_that_stops_waits_for_the_response_first(service: Service, receiver: Receiver) -> None:
    path, _, answered = promote_before(service, receiver)
    worker = sending(service, receiver)
    worker.send_signal(signal.SIGTERM)
    answered.set()

    assert worker.wait(timeout=WITHIN) == 0
    assert len(receiver.messages) == 1
    assert (delivery(service, path)["state"], delivery(service, path)["attempts"]) == ("succeeded", 1)
