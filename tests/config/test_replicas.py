"""`DATABASE_REPLICA_URLS`: reads of performance data go to a replica."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import golden
from tests.demo_data import load_demo_data
from tests.reliability.databases import new_database
from tests.serving import manage, new_keys, serve

pytestmark = pytest.mark.served


@dataclass(frozen=True)
class Service:
    """A server whose primary database is empty, and a token of the demo's viewer."""

    base_url: str
    access: str


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve the demo's data, two versions of it evaluated, from a replica."""
    folder = tmp_path_factory.mktemp("replica")
    primary, replica = new_database(folder), new_database(folder)
    common = {"STORAGE_URL": f"file://{folder}/storage", **new_keys()}
    load_demo_data(DATABASE_URL=replica, **common)
    for version in ("ver-00002", "ver-00003"):
        predictions = f"fixtures/predictions/breast-cancer/{version}-test.csv"
        manage("evaluate", "mdl-c41e08d5a7", version, predictions, DATABASE_URL=replica, **common)
    access = manage("token", "vera", DATABASE_URL=replica, **common).strip()
    with serve(DATABASE_URL=primary, DATABASE_REPLICA_URLS=replica, **common) as base_url:
        yield Service(base_url, access)


def test_a_summary_is_read_from_the_replica(service: Service) -> None:
    assert read(service, "mdl-7f3a19bc92/performance/summary") == golden("summary")


def test_versions_are_compared_example_by_example_from_a_replica(service: Service) -> None:
    """The primary takes no row here, so the answer is worked out each time."""
    for _ in range(2):
        answer = read(service, "mdl-c41e08d5a7/performance/compare?version_id=ver-00002&baseline_version_id=ver-00003")
        assert answer["metrics"]["roc_auc"]["confidence_interval"]["method"] == "paired_delong"


def read(service: Service, path: str) -> Any:
    """Return the body with which the viewer's request below `/api/v1/models` is answered."""
    url, headers = f"{service.base_url}/api/v1/models/{path}", {"Authorization": f"Bearer {service.access}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as response:  # noqa: S310
        return json.loads(response.read())
