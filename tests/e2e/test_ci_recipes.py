"""The recipes for CI systems: their shell steps, run against the service with a passing and a failing candidate."""

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

import pytest
import yaml
from junitparser import JUnitXml
from pytest_django.plugin import DjangoDbBlocker

from models_registry.accounts.models import ModelGrant, ServiceAccount, User
from models_registry.tokens.models import TrustedIssuer, TrustRule
from tests.demo_data import access_token, load_demo_data
from tests.models_registry.tokens.issuer import ISSUER, Issuer, publishing, send
from tests.reliability.databases import connected_to, new_database
from tests.serving import ROOT, new_keys, serve

TOOLS = ("bash", "curl", "sed")
MODEL = "mdl-09b6f2e83d"
PASSES, FAILS = "ver-00002", "ver-00003"  # of digits, by accuracy
POLICY = {"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.96}]}

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
    settings = {"DATABASE_URL": new_database(folder), "OIDC_ALLOWED_HOSTS": "127.0.0.1", **new_keys()}
    load_demo_data(**settings)
    with publishing() as issuer:
        with django_db_blocker.unblock(), connected_to(settings["DATABASE_URL"]):
            trust(issuer)
        admin = access_token("root", **settings)
        with serve(**settings) as url:
            yield Registry(url, issuer, admin)


def trust(issuer: Issuer) -> None:
    """Let the jobs of a repository read and promote the model as a service account."""
    User.objects.create_superuser("root")
    account = ServiceAccount.objects.create(username="ci", is_service_account=True)
    scopes = ["model:read", "model:promote"]
    for scope in scopes:
        ModelGrant.objects.create(model_id=MODEL, user=account, scope=scope)
    trusted = TrustedIssuer.objects.create(issuer=ISSUER, jwks_url=issuer.jwks_url, audience="registry")
    claims = {"repository": "acme/churn"}
    TrustRule.objects.create(issuer=trusted, name="ci", service_account=account, claims=claims, scopes=scopes)


def run(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def last_verdict(registry: Registry) -> tuple[str, str]:
    """Return the occasion and status of the newest verdict that counted."""
    newest = registry.ask(f"/models/{MODEL}/verdicts")["results"][0]
    return newest["occasion"], newest["verdict"]["status"]


def test_github_actions(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = yaml.safe_load((ROOT / "fixtures" / "ci" / "github-actions.yml").read_text())
    steps = [step["run"] for step in recipe["jobs"]["gate"]["steps"]]
    files = {name: tmp_path / name for name in ("GITHUB_ENV", "GITHUB_STEP_SUMMARY")}

    def identify(request: BaseHTTPRequestHandler) -> None:
        if request.path.startswith("/identity"):
            assert request.headers["Authorization"] == "Bearer of the job"
            assert request.path.endswith(f"&audience={registry.url}")
            send(request, 200, json.dumps({"count": 1, "value": registry.issuer.token(aud="registry")}).encode())
        else:
            registry.issuer.publish(request)

    monkeypatch.setattr(registry.issuer, "answer", identify)

    def job(version: str) -> list[int]:
        """Return with what each step ended, up to the one that failed."""
        given = {
            "REGISTRY_URL": registry.url,
            "MODEL": recipe["jobs"]["gate"]["env"]["MODEL"],
            "VERSION": version,
            "GITHUB_RUN_ID": version,
            "GITHUB_RUN_ATTEMPT": "1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of the job",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{registry.issuer.port}/identity?version=1",
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
    job = yaml.safe_load((ROOT / "fixtures" / "ci" / "gitlab-ci.yml").read_text())["gate"]
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
