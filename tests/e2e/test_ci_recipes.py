"""The recipes for CI systems: their shell steps, run against the service with a passing and a failing candidate.

The code hosts are played by a server on the loopback interface.
"""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from junitparser import JUnitXml
from pytest_django.plugin import DjangoDbBlocker

from models_registry.accounts.models import ModelGrant, Organization, ServiceAccount, User
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.models import TrustedIssuer, TrustRule
from tests.demo_data import access_token, load_demo_data
from tests.e2e.ci_jobs import RECIPES, GitHubJob, GitLabJob, Variables, load
from tests.e2e.code_hosts import SOMEBODY, TOKEN, CodeHost, Comment, hosting
from tests.models_registry.tokens.issuer import ISSUER, Issuer, publishing, send
from tests.reliability.databases import connected_to, new_database
from tests.serving import new_keys, run_worker, serve

TOOLS = ("bash", "curl", "sed")
MODEL = "mdl-09b6f2e83d"
PASSES, FAILS = "ver-00002", "ver-00003"  # of digits, by accuracy
POLICY = {"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.96}]}
TRAINED = "acme/tumours"
TRAINED_POLICY = {"dataset": "tumours", "rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.85}]}
COMMIT, MERGED = "c0" * 20, "ad" * 20

pytestmark = [
    pytest.mark.once,
    pytest.mark.served,
    pytest.mark.django_db,
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)} (Debian: apt-get install)"),
]


@dataclass
class Registry:
    """The service with a policy, which trusts an issuer."""

    url: str
    issuer: Issuer
    admin: str

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Return what the service answers to an admin."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.admin}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)


@pytest.fixture
def registry(service: Registry) -> Registry:
    """Give the model a new revision of the policy, as a verdict by the same one is kept once."""
    service.ask(f"/models/{MODEL}/gate-policy", "PUT", POLICY)
    return service


@pytest.fixture(scope="module")
def service(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    settings = {"DATABASE_URL": new_database(folder), "STORAGE_URL": f"file://{folder}/files", **new_keys()}
    settings |= {"OIDC_ALLOWED_HOSTS": "127.0.0.1"}
    load_demo_data(**settings)
    with publishing() as issuer:
        with django_db_blocker.unblock(), connected_to(settings["DATABASE_URL"]):
            trust(issuer)
        admin = access_token("root", **settings)
        with serve(**settings) as url, run_worker(**settings):
            yield Registry(url, issuer, admin)


def trust(issuer: Issuer) -> None:
    """Let the jobs of a repository promote a model, and those of another train one, and promote what is merged."""
    User.objects.create_superuser("root")
    trusted = TrustedIssuer.objects.create(issuer=ISSUER, jwks_url=issuer.jwks_url, audience="registry")
    read, write, promote = "model:read", "model:write", "model:promote"
    new_rule(trusted, "ci", MODEL, [read, promote], repository="acme/churn")
    acme = Organization.objects.get(slug="acme")
    tumours = RegisteredModel.objects.create(organization=acme, name="tumours", task_type="classification")
    merged, proposed = [read, write, promote], [read, write]
    new_rule(trusted, "main", tumours.pk, merged, repository=TRAINED, ref="refs/heads/main")
    new_rule(trusted, "pull-requests", tumours.pk, proposed, repository=TRAINED, ref="refs/pull/*/merge")
    new_rule(trusted, "default-branch", tumours.pk, merged, project_path=TRAINED, ref_protected="true")
    new_rule(trusted, "merge-requests", tumours.pk, proposed, project_path=TRAINED)


def new_rule(issuer: TrustedIssuer, name: str, model: str, scopes: list[str], **claims: str) -> None:
    """Trust jobs with these claims as a service account that has scopes on a model."""
    account = ServiceAccount.objects.create(username=name, is_service_account=True)
    for scope in scopes:
        ModelGrant.objects.create(model_id=model, user=account, scope=scope)
    TrustRule.objects.create(issuer=issuer, name=name, service_account=account, claims=claims, scopes=scopes)


def run(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def last_verdict(registry: Registry) -> tuple[str, str]:
    """Return the occasion and status of the newest verdict that counted."""
    newest = registry.ask(f"/models/{MODEL}/verdicts")["results"][0]
    return newest["occasion"], newest["verdict"]["status"]


def identify_jobs(registry: Registry, monkeypatch: pytest.MonkeyPatch, **claims: str) -> None:
    """Give jobs of GitHub Actions an identity with these claims when they ask for it."""

    def identify(request: BaseHTTPRequestHandler) -> None:
        if request.path.startswith("/identity"):
            assert request.headers["Authorization"] == "Bearer of the job"
            assert parse_qs(urlsplit(request.path).query) == {"version": ["1"], "audience": [registry.url]}
            identity = registry.issuer.token(aud="registry", **claims)
            send(request, 200, json.dumps({"count": 1, "value": identity}).encode())
        else:
            registry.issuer.publish(request)

    monkeypatch.setattr(registry.issuer, "answer", identify)


def identity_variables(registry: Registry) -> Variables:
    """Return the variables by which a job of GitHub Actions asks for its identity."""
    url = f"http://127.0.0.1:{registry.issuer.port}/identity?version=1"
    return {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of the job", "ACTIONS_ID_TOKEN_REQUEST_URL": url}


def test_github_actions(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load("github-actions.yml")
    steps = [step["run"] for step in recipe["jobs"]["gate"]["steps"]]
    files = {name: tmp_path / name for name in ("GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
    identify_jobs(registry, monkeypatch)

    def job(version: str) -> list[int]:
        """Return with what each step ended, up to the one that failed."""
        given = {
            "REGISTRY_URL": registry.url,
            "MODEL": recipe["jobs"]["gate"]["env"]["MODEL"],
            "VERSION": version,
            "GITHUB_RUN_ID": version,
            "GITHUB_RUN_ATTEMPT": "1",
            **identity_variables(registry),
            **{name: str(path) for name, path in files.items()},
        }
        ended: list[int] = []
        for step in steps:
            ended.append(run(step, tmp_path, **given).returncode)
            if ended[-1]:
                break
            if files["GITHUB_ENV"].exists():
                given |= dict(line.split("=", 1) for line in files["GITHUB_ENV"].read_text().splitlines())
        return ended

    assert job(FAILS) == [0, 0, 22]
    assert "failed" in files["GITHUB_STEP_SUMMARY"].read_text()
    assert last_verdict(registry) == ("enforcement", "failed")

    assert job(PASSES) == [0, 0, 0, 0]
    assert last_verdict(registry) == ("promotion", "passed")
    assert registry.ask(f"/models/{MODEL}/promotions")["results"][0]["promoted_by"] == "ci"


def test_gitlab_ci(registry: Registry, tmp_path: Path) -> None:
    job = load("gitlab-ci.yml")["gate"]
    report = tmp_path / job["artifacts"]["reports"]["junit"]

    def end(version: str) -> int:
        identity = registry.issuer.token(aud="registry")
        given = {"REGISTRY_URL": registry.url, "MODEL": job["variables"]["MODEL"], "CI_JOB_ID": version}
        return run("\n".join(job["script"]), tmp_path, IDENTITY=identity, VERSION=version, **given).returncode

    assert end(FAILS) == 22
    [suite] = JUnitXml.fromfile(str(report))
    assert (suite.tests, suite.failures) == (1, 1)
    assert last_verdict(registry) == ("enforcement", "failed")

    assert end(PASSES) == 0
    [suite] = JUnitXml.fromfile(str(report))
    assert (suite.tests, suite.failures) == (1, 0)
    assert last_verdict(registry) == ("promotion", "passed")


@pytest.fixture
def host() -> Iterator[CodeHost]:
    """A code host on which somebody else has written a comment that looks like the action's."""
    with hosting() as host:
        marker = f"<!-- performance-registry gate {TRAINED} -->"
        host.comments.append(Comment(len(host.comments), SOMEBODY, f"{marker}\nIt passed, believe me."))
        yield host


@pytest.fixture
def folder(service: Registry, tmp_path: Path) -> Path:
    """A checked-out repository that trains a model with a policy."""
    shutil.copy(RECIPES / "train.py", tmp_path)
    [model] = service.ask("/models?name=tumours&organization=acme")["results"]
    service.ask(f"/models/{model['model_id']}/gate-policy", "PUT", TRAINED_POLICY)
    return tmp_path


def spoil(folder: Path) -> None:
    """Make the training script train a model that knows nothing."""
    script = (folder / "train.py").read_text().replace("sklearn.naive_bayes", "sklearn.dummy")
    (folder / "train.py").write_text(script.replace("GaussianNB", "DummyClassifier"))
    (folder / "predictions.csv").unlink()


def promoted_version(registry: Registry) -> tuple[str, str] | None:
    """Return the version of the trained model in production, and who promoted it."""
    [model] = registry.ask("/models?name=tumours&organization=acme")["results"]
    promotions = registry.ask(f"/models/{model['model_id']}/promotions")["results"]
    return (promotions[0]["version_id"], promotions[0]["promoted_by"]) if promotions else None


def test_the_action_trains_gates_comments_and_promotes(
    service: Registry, host: CodeHost, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [steps] = [job["steps"] for job in load("github-workflow.yml")["jobs"].values()]
    pull_request = {"pull_request": {"number": 7, "head": {"sha": COMMIT}}}

    def job(event: str, ref: str, **inputs: str) -> GitHubJob:
        identify_jobs(service, monkeypatch, repository=TRAINED, ref=ref)
        file = folder / "event.json"
        file.write_text(json.dumps(pull_request if event == "pull_request" else {}))
        addresses = {"GITHUB_API_URL": host.url, "GITHUB_GRAPHQL_URL": f"{host.url}/graphql"}
        where = {"GITHUB_REPOSITORY": TRAINED, "GITHUB_SHA": MERGED, "GITHUB_EVENT_PATH": str(file)}
        context = {"event_name": event, "token": TOKEN, "server_url": host.url, "repository": TRAINED, "sha": MERGED}
        job = GitHubJob(folder, {**addresses, **where, **identity_variables(service)}, context)
        job.run(steps, **{"registry-url": service.url, **inputs})
        return job

    proposed = job("pull_request", "refs/pull/7/merge")

    before = promoted_version(service)
    assert proposed.ended == {
        "Train": 0,
        "Install mpr, unless it is there": 0,
        "Register the version": 0,
        "Evaluate its predictions": 0,
        "Stop if its gate fails": 0,
    }, proposed.log
    version = proposed.outputs["version"]["version"]
    [comment] = host.written()
    assert f"### Gate: {version} of mdl-" in comment
    assert comment.endswith((folder / "summary.md").read_text())
    status = host.statuses[COMMIT][f"gate: {TRAINED}"]
    assert status["state"] == "success"
    assert str(status["description"]).endswith(": passed (1 of 1 rules hold)")
    assert str(status["target_url"]).startswith(f"{service.url}/admin/models_registry/registeredmodel/mdl-")
    assert str(status["target_url"]).endswith(f"/gate/{version}/")

    merged = job("push", "refs/heads/main")

    assert merged.ended["Promote it"] == 0, merged.log
    assert promoted_version(service) == (merged.outputs["version"]["version"], "main") != before
    assert host.statuses[MERGED][f"gate: {TRAINED}"]["state"] == "success"

    spoil(folder)
    worse = job("pull_request", "refs/pull/7/merge", **{"promote-reason": "in a hurry"})

    assert list(worse.ended.values()) == [0, 0, 0, 0, 1]
    [replaced] = host.written()
    assert f"{worse.outputs['version']['version']} of mdl-" in replaced
    assert "❌" in replaced
    assert host.statuses[COMMIT][f"gate: {TRAINED}"]["state"] == "failure"
    assert promoted_version(service) == (merged.outputs["version"]["version"], "main")

    del steps[:-1]  # trains nothing
    lost = job("pull_request", "refs/pull/7/merge", version="ver-0ffff", predictions="")

    assert lost.ended["Stop if its gate fails"] == 2
    [error] = host.written()
    assert "### Gate: could not be judged\n\n    " in error
    assert host.statuses[COMMIT][f"gate: {TRAINED}"]["state"] == "error"
    assert host.comments[120].body.endswith("It passed, believe me.")


def test_the_component_trains_gates_comments_and_promotes(service: Registry, host: CodeHost, folder: Path) -> None:
    pipeline = load("gitlab-pipeline.yml")
    [included] = pipeline["include"]
    inputs = {**included["inputs"], "registry_url": service.url}
    where = {"CI_API_V4_URL": f"{host.url}/api/v4", "CI_PROJECT_ID": "42", "CI_PIPELINE_ID": "99"}
    where |= {"CI_PROJECT_URL": f"{host.url}/{TRAINED}", "CI_DEFAULT_BRANCH": "main", "GITLAB_TOKEN": TOKEN}
    request = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_SHA": COMMIT}
    push = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main", "CI_COMMIT_SHA": MERGED}

    def job(is_protected: str, **variables: str) -> GitLabJob:
        claims = {"aud": "registry", "project_path": TRAINED, "ref_protected": is_protected}
        identity = service.issuer.token(repository=None, ref=None, **claims)
        job = GitLabJob(folder, where | variables, identity)
        if not (folder / "predictions.csv").exists():
            assert job.run(pipeline["train"]) == 0, job.log
        return job

    def judged() -> tuple[int, int]:
        [suite] = JUnitXml.fromfile(str(folder / "gate.xml"))
        return suite.tests, suite.failures

    before = promoted_version(service)
    proposed = job("false", **request)
    assert proposed.include(inputs) == 0, proposed.log
    assert ("passed" in host.written()[0], judged(), promoted_version(service)) == (True, (1, 0), before)
    assert host.statuses[COMMIT][f"gate: {TRAINED}"]["state"] == "success"

    merged = job("true", **push)
    assert merged.include(inputs) == 0, merged.log
    assert (promoted := promoted_version(service)) != before
    assert promoted is not None
    assert promoted[1] == "default-branch"

    spoil(folder)
    worse = job("false", **request)
    assert (worse.include(inputs), "at least 0.85 is required" in worse.log) == (1, True)
    assert ("failed" in host.written()[0], len(host.written()), judged()) == (True, 1, (1, 1))
    assert host.statuses[COMMIT][f"gate: {TRAINED}"]["state"] == "failed"
    assert job("true", **push).include(inputs) == 1
    assert promoted_version(service) == promoted

    assert job("false", **request).include({**inputs, "comment": False, "version": "ver-0ffff"}) == 2
    assert job("true", CI_PIPELINE_SOURCE="schedule", CI_COMMIT_BRANCH="other").include(inputs) is None
