"""What is written to code hosts, which are played by a server on the loopback interface."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from performance_registry import CodeHostError, RegistryError, Verdict
from performance_registry.publishing import publishing
from performance_registry.resources import GateDocument

from tests.conftest import golden
from tests.e2e.code_hosts import TOKEN, CodeHost, hosting

COMMIT = "c0" * 20
VERDICT = Verdict.from_document(golden("gate"))
NO_POLICY = Verdict.from_document({**golden("gate"), "status": "no_policy", "rules": []})


@pytest.fixture(scope="module")
def server() -> Iterator[CodeHost]:
    with hosting() as host:
        yield host


@pytest.fixture
def host(server: CodeHost, monkeypatch: pytest.MonkeyPatch) -> CodeHost:
    """A code host without comments of the job."""
    monkeypatch.setenv("REGISTRY_URL", "https://registry.example.com")
    del server.comments[120:]
    server.statuses.clear()
    return server


@pytest.fixture
def github(host: CodeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CodeHost:
    """A job of GitHub Actions on a pull request."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"sha": COMMIT}}}))
    variables = {"GITHUB_API_URL": host.url, "GITHUB_GRAPHQL_URL": f"{host.url}/graphql", "GITHUB_SHA": "ad" * 20}
    variables |= {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "acme/tumours", "GITHUB_EVENT_PATH": str(event)}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return host


@pytest.fixture
def gitlab(host: CodeHost, monkeypatch: pytest.MonkeyPatch) -> CodeHost:
    """A job of GitLab CI in a merge request of a fork."""
    variables = {"CI_API_V4_URL": f"{host.url}/api/v4", "CI_PROJECT_ID": "41", "CI_MERGE_REQUEST_PROJECT_ID": "42"}
    variables |= {"CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_SHA": COMMIT, "GITLAB_TOKEN": TOKEN}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return host


def publish(verdict: Verdict, text: str = "| a |", *, model: str = "acme/tumours", status: bool = True) -> None:
    with publishing(model, comment=True, status=status) as publish:
        publish(verdict, lambda: GateDocument(text, refuses=False))


def test_each_model_has_one_comment_which_is_replaced(github: CodeHost) -> None:
    github.comments *= 2  # three pages
    for model in ("acme/tumours", "acme/tumours-2", "acme/tumours"):
        publish(VERDICT, f"of {model}", model=model)

    assert [body.partition("\n")[2] for body in github.written()] == ["of acme/tumours", "of acme/tumours-2"]
    assert github.statuses[COMMIT].keys() == {"gate: acme/tumours", "gate: acme/tumours-2"}


def test_an_error_is_published_as_text_that_means_nothing(github: CodeHost) -> None:
    name = "acme/--><img src=x>"
    with pytest.raises(RegistryError), publishing(name, comment=True, status=True):
        raise RegistryError(f"There is no model {name}\n\n# @everyone \x1b[2J")

    [comment] = github.written()
    marker, *lines = comment.splitlines()
    assert (marker.count("-->"), marker.endswith(" -->")) == (1, True)
    assert lines[:2] == ["### Gate: could not be judged", ""]
    assert lines[2:] == [f"    There is no model {name}", "    ", "    # @everyone \\x1b[2J"]
    assert github.statuses[COMMIT][f"gate: {name}"]["state"] == "error"


def test_a_long_verdict_is_cut_between_lines_and_its_status_after_some_words(github: CodeHost) -> None:
    publish(VERDICT, "| a rule |\n" * 10_000)

    [comment] = github.written()
    assert comment.endswith("| a rule |\n\nThe rest is too long for a comment.")
    assert github.statuses[COMMIT]["gate: acme/tumours"]["target_url"] == (
        f"https://registry.example.com/admin/models_registry/registeredmodel/{VERDICT.model_id}/gate/{VERDICT.version_id}/"
    )


def test_a_version_without_a_policy_is_pending_on_github(github: CodeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_EVENT_PATH")  # a push, which has no pull request

    publish(NO_POLICY)

    assert github.statuses["ad" * 20]["gate: acme/tumours"]["state"] == "pending"
    assert not github.written()


def test_a_merge_request_of_a_fork_is_commented_in_the_project_that_it_asks(gitlab: CodeHost) -> None:
    publish(NO_POLICY)  # sets no status, as a pending one would keep the pipeline running
    publish(NO_POLICY, "again", status=False)

    [comment] = gitlab.written()
    assert comment.endswith("again")
    assert not gitlab.statuses


def test_a_refusal_of_the_code_host_says_what_it_refused(github: CodeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "of somebody else")
    with pytest.raises(CodeHostError, match=rf"POST {github.url}/repos/.*/statuses/{COMMIT} was answered with 401"):
        publish(VERDICT)
    with pytest.raises(RegistryError, match="no such model"), publishing("acme/x", comment=True, status=True):
        raise RegistryError("no such model")  # says more than that it could not be published

    monkeypatch.setenv("GITHUB_TOKEN", "broken\ntoken")
    with pytest.raises(CodeHostError, match="GITHUB_TOKEN contains") as refused:
        publish(VERDICT)
    assert "broken" not in str(refused.value)
    monkeypatch.setenv("GITHUB_TOKEN", f"{TOKEN}\n")  # as a variable often ends
    publish(VERDICT)

    monkeypatch.delenv("GITHUB_TOKEN")
    with pytest.raises(CodeHostError, match="GITHUB_TOKEN is not set"):
        publish(VERDICT)
    monkeypatch.delenv("GITHUB_REPOSITORY")
    with pytest.raises(CodeHostError, match="need a job of GitHub Actions or GitLab CI: neither GITHUB_REPOSITORY nor"):
        publish(VERDICT)
