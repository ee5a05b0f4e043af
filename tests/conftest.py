"""The cast and the models that most tests play with, and how the tests are shared between processes."""

import gc
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest
from auditlog.context import disable_auditlog
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import settings
from pytest_django import Settings
from pytest_django.plugin import DjangoDbBlocker

from models_registry.accounts.models import Membership, ModelGrant, Organization, User
from models_registry.accounts.scopes import ALL_SCOPES, Scope
from models_registry.api import large_responses
from models_registry.registry.models import RegisteredModel
from models_registry.registry.promotions import promote
from models_registry.tokens import jwt, usage
from models_registry.tokens.services import open_token_family
from tests import openapi
from tests.admin_pages import logged_in
from tests.factories import EXAMPLE_METRICS, completed_version, new_user, snapshot
from tests.originals import SHARED_FOLDER, migrated, name_of
from tests.receiver import Receiver, receiving

# Without bytecode files, each server and worker that a test starts compiles all modules anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("untimed", settings(), deadline=None)  # as the machine may have other work
settings.load_profile("untimed")

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")
HERE = Path(__file__).parent
PinnedQueries = Callable[[str], AbstractContextManager[None]]  # takes a name of `query_counts.json`
APPEND_ONLY = (
    "models_registry.migrations.0005_audit_trail_append_only",
    "performance.migrations.0002_snapshots_append_only",
    "performance.migrations.0004_details_append_only",
    "performance.migrations.0007_worst_examples_append_only",
    "performance.migrations.0011_gate_policies",
    "performance.migrations.0024_slices_append_only",
)
MOST_PROCESSES = 4
FIRST = ("served", "browser")  # the marks of files of few tests that take long
DATABASE = {"db", "transactional_db", "live_server"}  # the fixtures of tests that reach the database

# The statements by which a denial is kept in the audit trail, in a transaction of its own.
KEEPS_DENIAL = re.compile(
    r"auditentry|^(RELEASE )?SAVEPOINT|"
    r'^SELECT "models_registry_user"."id" AS "(id|pk)", "models_registry_user"."username" AS "username" FROM'
)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run files that are named in this process alone, which starts sooner, and the suite in one more than the cores.

    A quarter of the time, a process waits for a server or for a worker that it started.
    """
    if all(Path(argument.partition("::")[0]).is_file() for argument in config.args):
        return 0
    return min((os.cpu_count() or 1) + 1, MOST_PROCESSES)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of runs that repeat the suite on another Python or another database."""
    parser.addoption(
        "--first-cases",
        action="store_true",
        help="run only the first case of a parametrized test, unless it is marked `every_case`",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder that the processes of the run share."""
    if not hasattr(config, "workerinput"):
        os.environ[SHARED_FOLDER] = tempfile.mkdtemp(prefix="registry-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Name the tests that failed once more, as a log may be cut, and remove the folder that the processes shared."""
    gc.unfreeze()
    if hasattr(config, "workerinput"):
        return
    shutil.rmtree(os.environ[SHARED_FOLDER])
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    failed = {report.nodeid: None for kind in ("failed", "error") for report in reporter.stats.get(kind, [])}
    for name in failed:
        reporter.write_line(f"failed: {name}", red=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while modules are imported, and don't look for any among what they made afterwards."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what reaches the database."""
    if item.get_closest_marker("django_db") or not DATABASE.isdisjoint(getattr(item, "fixturenames", ())):
        item.add_marker("database")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Move the files that take long to the front, so that no process is left with one of them at the end."""
    if config.getoption("first_cases"):
        _deselect_further_cases(config, items)
    items.sort(key=lambda item: not any(map(item.get_closest_marker, FIRST)))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, pytestconfig: pytest.Config) -> None:
    """Let the processes of a run copy one migrated database. A process alone migrates its own."""
    if connection.vendor == "postgresql" and hasattr(pytestconfig, "workerinput"):
        connection.settings_dict["TEST"]["TEMPLATE"] = name_of(migrated(os.environ["DATABASE_URL"]))


@pytest.fixture(scope="session", autouse=True)
def _exchanges_match_the_openapi_document() -> Iterator[None]:
    """Check each response that Django's test client gets, and each body that was accepted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "generic", openapi.checked_generic)
        yield


@pytest.fixture(autouse=True)
def _clean_slate() -> None:
    """Forget what processes remember between requests: throttles, large answers, verified tokens and their uses."""
    cache.clear()
    large_responses.clear()
    jwt.decode_access_token.cache_clear()
    usage.forget_uses()


@pytest.fixture(scope="module")
def rows_can_be_cleaned_up(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let SQLite, which cannot truncate, delete the append-only rows that a test committed."""
    if connection.vendor == "postgresql":
        yield
        return
    append_only = [import_module(name) for name in APPEND_ONLY]
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        for migration in append_only:
            migration.remove(None, editor)
    yield
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        for migration in append_only:
            migration.add(None, editor)


def unaudited(function: Callable[Parameters, Value]) -> Callable[Parameters, Value]:
    """Keep what a fixture stores out of the audit trail, which would double the rows that most tests begin with."""

    @wraps(function)
    def fixture(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Value:
        with disable_auditlog():
            return function(*args, **kwargs)

    return fixture


@pytest.fixture
@unaudited
def acme(db: None) -> Organization:
    """The organization that owns the models."""
    return Organization.objects.create(slug="acme", name="Acme")


@pytest.fixture
@unaudited
def viewer(acme: Organization) -> User:
    """Vera, who may read what Acme owns."""
    return _member(acme, "vera", "viewer")


@pytest.fixture
@unaudited
def editor(acme: Organization) -> User:
    """Ed, who may read and write what Acme owns."""
    return _member(acme, "ed", "editor")


@pytest.fixture
@unaudited
def admin(acme: Organization) -> User:
    """Ada, who may do everything in Acme."""
    return _member(acme, "ada", "admin")


@pytest.fixture
@unaudited
def superuser(db: None) -> User:
    """Root, who may do everything."""
    return new_user("root", is_superuser=True, is_staff=True)


@pytest.fixture
def root(superuser: User) -> Client:
    """The superuser, logged in to the admin."""
    return logged_in(superuser)


@pytest.fixture
@unaudited
def outsider(db: None) -> User:
    """Otto, who is of another organization."""
    return _member(Organization.objects.create(slug="globex", name="Globex"), "otto", "admin")


@pytest.fixture
@unaudited
def grantee(model: RegisteredModel) -> User:
    """Gil, who is of no organization but may read the one model."""
    user = new_user("gil")
    ModelGrant.objects.create(model=model, user=user, scope="model:read")
    return user


@pytest.fixture
@unaudited
def model(acme: Organization) -> RegisteredModel:
    """The contract's example: its 417th version is promoted and has a snapshot of the test split."""
    model = RegisteredModel.objects.create(
        model_id="mdl-7f3a19bc92", organization=acme, name="churn", task_type="classification"
    )
    version = completed_version(model, number=417)
    snapshot(version, metrics=EXAMPLE_METRICS)
    promote(version=version, promoted_by=None, reason="the first")
    return model


@pytest.fixture
@unaudited
def empty_model(acme: Organization) -> RegisteredModel:
    """A regression model without any version."""
    return RegisteredModel.objects.create(organization=acme, name="prices", task_type="regression")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A host on 127.0.0.1 that keeps the requests that it gets."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def _loopback_is_trusted(settings: Settings) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.fixture
def as_user() -> Callable[..., Client]:
    """Return a client that sends a user's access token with each request."""
    return authenticated


@pytest.fixture
def pinned_queries() -> PinnedQueries:
    """Return a context that lets exactly as many queries through as `query_counts.json` has under a name.

    Those that keep a denial in the audit trail do not count.
    """
    pinned: dict[str, int] = json.loads((HERE / "query_counts.json").read_text())

    @contextmanager
    def counting(name: str) -> Iterator[None]:
        with CaptureQueriesContext(connection) as queries:
            yield
        made = [query["sql"] for query in queries.captured_queries if not KEEPS_DENIAL.search(query["sql"])]
        listed = "\n".join(made)
        assert len(made) == pinned[name], f"{name} made {len(made)} queries, not {pinned[name]}:\n{listed}"

    return counting


def golden(name: str) -> Any:
    """Return the body that `responses/<name>.json` holds."""
    return json.loads((HERE / "responses" / f"{name}.json").read_text())


def authenticated(user: User, scope: frozenset[Scope] = ALL_SCOPES) -> Client:
    """Return a client whose requests carry a fresh access token of `user`."""
    with disable_auditlog():
        refresh = open_token_family(user=user, scope=scope)
    return Client(headers={"Authorization": f"Bearer {refresh.access_token}"})


def _deselect_further_cases(config: pytest.Config, items: list[pytest.Item]) -> None:
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        every = item.get_closest_marker("every_case")
        tests.setdefault(item.nodeid if every else item.nodeid.partition("[")[0], []).append(item)
    config.hook.pytest_deselected(items=[item for cases in tests.values() for item in cases[1:]])
    items[:] = [cases[0] for cases in tests.values()]


def _member(organization: Organization, name: str, role: str) -> User:
    user = new_user(name)
    Membership.objects.create(organization=organization, user=user, role=role)
    return user
