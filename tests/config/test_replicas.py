"""`DATABASE_REPLICA_URLS`: reads of performance data go to a replica."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import golden
from tests.serving import ROOT, new_keys, serve

pytestmark = pytest.mark.served


def manage(database_url: str, keys: dict[str, str], *arguments: str) -> str:
    environment = {**os.environ, **keys, "DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": database_url}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_summary_is_read_from_the_replica(tmp_path: Path) -> None:
    primary, replica = f"sqlite:///{tmp_path}/primary.sqlite3", f"sqlite:///{tmp_path}/replica.sqlite3"
    keys = new_keys()
    manage(replica, keys, "migrate")
    manage(replica, keys, "seed", "fixtures/seed.json")
    access = manage(replica, keys, "token", "vera").strip()

    with serve(DATABASE_URL=primary, DATABASE_REPLICA_URLS=replica, **keys) as base_url:
        read = urllib.request.Request(  # noqa: S310
            f"{base_url}/api/v1/models/mdl-7f3a19bc92/performance/summary",
            headers={"Authorization": f"Bearer {access}"},
        )
        with urllib.request.urlopen(read, timeout=10) as response:  # noqa: S310
            assert json.loads(response.read()) == golden("summary")
