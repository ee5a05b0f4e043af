"""The log of a server whose database cannot be reached, in JSON, and the metrics that it still has."""

import json
import re
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings
from rest_framework_simplejwt.tokens import AccessToken

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.tokens.jwt import new_token
from tests.config.test_metrics import TOKEN, samples
from tests.serving import free_port, start_server

REQUESTS = 8


def get(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:  # noqa: S310
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.served
def test_an_outage_leaves_metrics_of_all_processes_and_one_line_for_each(tmp_path: Path) -> None:
    access = str(new_token(AccessToken, User(pk=1, password="x"), family=None, scope=ALL_SCOPES))
    base_url = f"http://127.0.0.1:{(port := free_port())}"
    log = tmp_path / "log"
    with log.open("wb") as file:
        server = start_server(
            port,
            file,
            DATABASE_URL=f"postgresql://nobody:x@127.0.0.1:{free_port()}/none",
            JWT_SIGNING_KEY=str(settings.SIMPLE_JWT["SIGNING_KEY"]),
            METRICS_TOKEN=TOKEN,
            ACCESS_LOG="true",
            LOG_FORMAT="json",
            GRANIAN_WORKERS="2",
            GRANIAN_WORKERS_KILL_TIMEOUT="10",
        )
        try:
            for _ in range(REQUESTS):
                assert get(f"{base_url}/api/v1/models?secret=1", Authorization=f"Bearer {access}")[0] == 503
            status, text = get(f"{base_url}/metrics", Authorization=f"Bearer {TOKEN}")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)

    metrics = samples(text)
    assert (status, metrics["registry_database_up",]) == (200, 0)
    assert metrics["registry_request_duration_seconds_count", "GET", "/api/v1/models", "503"] == REQUESTS
    assert sum(name == "registry_process_memory_bytes" for name, *_ in metrics) in {1, 2}  # those that served
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["asctime"]) for line in lines)
    assert any("Starting granian" in line["message"] for line in lines if line["name"] == "_granian")
    requests = [line for line in lines if line["name"] == "access" and line["route"] == "/api/v1/models"]
    assert len(requests) == REQUESTS
    assert len({line["request_id"] for line in requests}) == REQUESTS
    fields = {"method": "GET", "status": 503, "client": "127.0.0.1", "user": 1}
    assert all(fields.items() <= line.items() and 0 < line["seconds"] < 20 for line in requests)
    outages = [line for line in lines if line["name"] == "models_registry.db.outages"]
    assert 1 <= len(outages) <= 2  # one of each process
    assert not any("exc_info" in line or "secret" in str(line) or access in str(line) for line in lines)
