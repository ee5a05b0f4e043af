"""`DATABASE_REPLICA_URLS`: reads of performance data go to a replica."""

import json
import urllib.request
from pathlib import Path

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
        read = urllib.request.Request(  # noqa: S310
            f"{base_url}/api/v1/models/mdl-7f3a19bc92/performance/summary",
            headers={"Authorization": f"Bearer {access}"},
        )
        with urllib.request.urlopen(read, timeout=10) as response:  # noqa: S310
            assert json.loads(response.read()) == golden("summary")
