"""One caller does something expensive, and everyone else's light requests go on.

The service runs behind its production server with two processes of four threads, on PostgreSQL, and on SQLite with one
process, as the demo does. While an attack goes on, `/healthz` and the summary are asked twenty times a second each.

Here no light request may fail, and none may stop. How fast they stay, under 250 ms at the 99th percentile, is for
`tests.benchmarks.load_by_cost` on a quiet machine: a test must not depend on what else the machine does.
"""

from collections.abc import Iterator

import pytest
from django.db import connection

from tests.originals import migrate
from tests.reliability.attacks import ATTACKS, LOCKED
from tests.reliability.databases import new_database
from tests.reliability.load import Attack, Blows, Service, serving

pytestmark = [pytest.mark.served, pytest.mark.once]

SECONDS = 1.0  # of a round: twenty questions of each probe
STOPPED = 5.0  # seconds: a light request that takes longer waited for the attack to end


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as the container serves it."""
    if connection.vendor != "postgresql":
        pytest.skip("The container's service has PostgreSQL.")
    folder = tmp_path_factory.mktemp("on-postgresql")
    database = new_database(folder)
    migrate(database)
    with serving(folder, database, workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def service_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as the demo serves it."""
    folder = tmp_path_factory.mktemp("on-sqlite")
    database = f"sqlite:///{folder}/registry.sqlite3"
    migrate(database)
    with serving(folder, database, workers=1, large=False) as running:
        yield running


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_light_requests_go_on_under(attack: Attack, service: Service) -> None:
    attack.check(service, withstood(attack, service))


def test_light_requests_go_on_while_refusals_would_wait_for_a_writer(service_on_sqlite: Service) -> None:
    withstood(LOCKED, service_on_sqlite)


def withstood(attack: Attack, service: Service) -> Blows:
    """Return what became of an attack's requests, in a round in which every light request was answered."""
    figures, blows = attack.round(service, 0, SECONDS)
    assert set(blows.statuses) <= attack.answers, blows
    for each in (figures.healthz, figures.summary):
        assert each["latencies"], figures
        assert not each["failures"], figures
        assert max(each["latencies"]) < STOPPED, figures
    return blows
