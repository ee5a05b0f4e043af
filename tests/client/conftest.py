"""What the tests of the client share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from performance_registry import Model, Registry, Version
from pytest_django.plugin import DjangoDbBlocker

from tests.client.service import SET_UP, Service
from tests.demo_data import access_token, load_demo_data
from tests.models_registry.tokens.issuer import publishing
from tests.reliability.databases import new_database
from tests.serving import manage, new_keys, run_worker, serve

VARIABLES = (
    *("REGISTRY_URL", "REGISTRY_TOKEN", "REGISTRY_ID_TOKEN", "REGISTRY_AUDIENCE"),
    *("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    *("GITHUB_REPOSITORY", "GITHUB_TOKEN", "GITHUB_EVENT_PATH"),
    *("CI_API_V4_URL", "CI_PIPELINE_ID", "CI_MERGE_REQUEST_IID", "GITLAB_TOKEN"),
)


@pytest.fixture(autouse=True)
def _nobody_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings and the logins of whoever runs the tests out of them."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Service]:
    """The service with the demo's data, a worker, and an issuer that it trusts."""
    folder = tmp_path_factory.mktemp("service")
    with django_db_blocker.unblock():
        database = new_database(folder)
    settings = {"DATABASE_URL": database, "STORAGE_URL": f"file://{folder}/files", "OIDC_ALLOWED_HOSTS": "127.0.0.1"}
    settings |= new_keys()
    load_demo_data(**settings)
    token = access_token("ada", **settings)
    with publishing() as issuer:
        manage("shell", "--no-imports", "-c", SET_UP % issuer.jwks_url, **settings)
        with serve(**settings) as url, run_worker(**settings):
            yield Service(url, token, issuer)


@pytest.fixture
def registry(service: Service) -> Iterator[Registry]:
    """A client of Acme's admin."""
    with Registry(service.url, service.token) as registry:
        yield registry


@pytest.fixture
def model(registry: Registry, request: pytest.FixtureRequest) -> Model:
    """A new model of classification."""
    return registry.model(f"acme/{request.node.name[:150]}", task_type="classification", create=True)


@pytest.fixture
def version(model: Model) -> Version:
    """A completed version with a good accuracy."""
    with model.new_version() as version:
        version.log(split="test", metrics={"accuracy": 0.9, "roc_auc": 0.95}, sample_count=1000)
    return version
