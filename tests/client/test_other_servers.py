"""The client and its command line against servers that are no registry, or answer as none does."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from performance_registry import ProblemError, Registry, RegistryError, Verdict
from performance_registry.commands import app
from typer.testing import CliRunner

from tests.e2e.code_hosts import TOKEN, hosting

MODEL = {"model_id": "mdl-7f3a19bc92", "task_type": "classification"}
VERDICT = {
    **MODEL,
    "version_id": "ver-00001",
    "status": "passed",
    "rules": [],
    "warnings": [],
    "judged_at": "2026-03-13T14:22:10Z",
}
GATE_FAILED = {"status": 409, "code": "gate_failed"}


@dataclass
class Other:
    """A server that answers each request with the next answer: a status, a body and headers."""

    url: str
    answers: list[tuple[int, object, dict[str, str]]] = field(default_factory=list)

    def answer(self, *bodies: object, status: int = 200, **headers: str) -> None:
        """Answer the next requests with these bodies; what is neither text nor bytes is sent as JSON."""
        self.answers[:] = [(200, MODEL, {}), *((status, body, headers) for body in bodies)]


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[Other]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            status, body, headers = served.answers.pop(0)
            self.send_response(status)
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            for name, value in {"Content-Type": "text/html", "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    served = Other(f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("REGISTRY_URL", served.url)
    monkeypatch.setenv("REGISTRY_TOKEN", "x")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_page_of_a_proxy_is_no_verdict(other: Other) -> None:
    with Registry() as registry:
        for status, page in ((403, "<h1>Sign in</h1>"), (500, "<h1>Sorry</h1>"), (200, VERDICT)):
            other.answer(page, status=status, Content_Type="text/html" if status != 200 else "application/json")
            with pytest.raises(ProblemError):
                registry.model(MODEL["model_id"]).gate_document("html")
    other.answer(VERDICT, "<h1>Sign in</h1>", status=200)
    other.answers[2] = (403, "<h1>Sign in</h1>", {})
    assert CliRunner().invoke(app, ["gate", MODEL["model_id"], "--format", "html"]).exit_code == 2


@pytest.mark.parametrize("status", [200, 409])
def test_an_answer_that_cannot_be_read_ends_with_2_and_a_message(other: Other, status: int) -> None:
    bodies: list[object] = [
        "",
        "[" * 100_000,
        [],
        {},
        {**VERDICT, "rules": None},
        {**VERDICT, "rules": [5]},
        {**GATE_FAILED, "verdict": {**VERDICT, "rules": {}}},
        {"status": "x", "errors": ["x"]},
        {"status": None, "errors": 5, "detail": {"a": 1}},
    ]
    for body in bodies:
        other.answer(body, status=status)
        result = CliRunner().invoke(app, ["gate", MODEL["model_id"]])
        assert (result.exit_code, bool(result.stderr.strip())) == (2, True), (body, result.output, result.exception)
    other.answer({**VERDICT, "metrics": None})
    assert CliRunner().invoke(app, ["summary", MODEL["model_id"]]).exit_code == 2


def test_a_verdict_is_shown_even_if_the_code_host_refuses_it(other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosting() as host:
        for name, value in {"API_URL": host.url, "REPOSITORY": "acme/x", "SHA": "c0" * 20, "TOKEN": "wrong"}.items():
            monkeypatch.setenv(f"GITHUB_{name}", value)
        for options in ([], ["--json"]):
            other.answer(VERDICT)
            result = CliRunner().invoke(app, ["gate", MODEL["model_id"], "--status", *options])
            assert (result.exit_code, "was answered with 401" in result.stderr) == (2, True)
            assert "passed" in result.stdout
    assert json.loads(result.stdout) == VERDICT


def test_a_list_without_an_end_is_given_up_and_broken_compression_is_an_error(other: Other) -> None:
    with Registry(patience=0) as registry:
        for page, answers in (({"results": [{}], "next": "?cursor=a"}, 2), ({"results": {}, "next": None}, 1)):
            other.answers[:] = [(200, page, {})] * answers
            with pytest.raises(RegistryError, match="no list that ends"):
                registry.rows("/models")
        other.answers[:] = [(200, MODEL, {"Content-Encoding": "gzip"})]
        with pytest.raises(RegistryError, match="cannot be reached"):
            registry.model(MODEL["model_id"])


def test_a_verdict_stays_alone_if_the_registry_cannot_render_it_for_a_comment(
    other: Other, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"sha": "c0" * 20}}}))
    with hosting() as host:
        variables = {"API_URL": host.url, "GRAPHQL_URL": f"{host.url}/graphql", "REPOSITORY": "acme/tumours"}
        for name, value in {**variables, "EVENT_PATH": str(event), "TOKEN": TOKEN}.items():
            monkeypatch.setenv(f"GITHUB_{name}", value)
        other.answer(VERDICT, {"status": 500, "detail": "Sorry."})
        other.answers[2] = (500, other.answers[2][1], {})
        result = CliRunner().invoke(app, ["gate", MODEL["model_id"], "--comment", "--status", "--json"])
        [comment] = host.written()
        [status] = host.statuses["c0" * 20].values()

    assert (result.exit_code, json.loads(result.stdout)) == (2, VERDICT)
    assert "Sorry." in result.stderr
    assert f"    {Verdict.from_document(VERDICT).title}\n" in comment
    assert status["state"] == "success"


def test_without_a_token_of_the_code_host_there_is_one_document(other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/x")
    result = CliRunner().invoke(app, ["gate", MODEL["model_id"], "--comment", "--json"])

    assert result.exit_code == 2
    assert "GITHUB_TOKEN is not set" in json.loads(result.stdout)["detail"]
