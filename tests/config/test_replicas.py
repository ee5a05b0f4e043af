"""`DATABASE_REPLICA_URLS`: reads of performance data go to a replica."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import golden
from tests.serving import manage, new_keys, serve

pytestmark = pytest.mark.served


def test_a_summary_is_read_from_the_replica(tmp_path: Path) -> None:
    primary, replica = f"sqlite:///{tmp_path}/primary.sqlite3", f"sqlite:///{tmp_path}/replica.sqlite3"
    keys = new_keys()
    manage("migrate", DATABASE_URL=replica, **keys)
    manage("seed", "fixtures/seed.json", DATABASE_URL=replica, **keys)
    access = manage("token", "vera", DATABASE_URL=replica, **keys).strip()

    with serve(DATABASE_URL=primary, DATABASE_REPLICA_URLS=replica, **keys) as base_url:
        assert read(f"{base_url}/api/v1/models/mdl-7f3a19bc92/performance/summary", access) == golden("summary")


def test_versions_are_compared_example_by_example_from_a_replica(tmp_path: Path) -> None:
    """The primary takes no row here, so the answer is worked out each time."""
    primary, replica = f"sqlite:///{tmp_path}/primary.sqlite3", f"sqlite:///{tmp_path}/replica.sqlite3"
    files, keys = {"STORAGE_URL": f"file://{tmp_path}/storage"}, new_keys()
    manage("migrate", DATABASE_URL=replica, **keys)
    manage("seed", "fixtures/seed.json", DATABASE_URL=replica, **keys)
    for version in ("ver-00002", "ver-00003"):
        predictions = f"fixtures/predictions/breast-cancer/{version}-test.csv"
        manage("evaluate", "mdl-c41e08d5a7", version, predictions, DATABASE_URL=replica, **files, **keys)
    access = manage("token", "vera", DATABASE_URL=replica, **keys).strip()

    with serve(DATABASE_URL=primary, DATABASE_REPLICA_URLS=replica, **files, **keys) as base_url:
        for _ in range(2):
            answer = read(
                f"{base_url}/api/v1/models/mdl-c41e08d5a7/performance/compare"
                "?version_id=ver-00002&baseline_version_id=ver-00003",
                access,
            )
            assert answer["metrics"]["roc_auc"]["confidence_interval"]["method"] == "paired_delong"


def read(url: str, access: str) -> Any:
    """Return the body that is answered to the bearer of a token."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {access}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        return json.loads(response.read())
