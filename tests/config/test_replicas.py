"""`DATABASE_REPLICA_URLS`: reads of performance data go to a replica."""

import json
import urllib.request
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from tests.conftest import golden
from tests.demo_data import access_token, load_demo_data
from tests.reliability.databases import new_database
from tests.serving import new_keys, serve

pytestmark = [pytest.mark.served, pytest.mark.once]


@pytest.fixture
def evaluated(tmp_path: Path) -> dict[str, str]:
    """The settings of a replica on which versions were evaluated on the same examples, and no pair was compared."""
    settings = {"STORAGE_URL": f"file://{tmp_path}/storage", **new_keys()}
    replica = new_database(tmp_path)
    load_demo_data(DATABASE_URL=replica, **settings)
    return {"DATABASE_REPLICA_URLS": replica, **settings}


def compare(base_url: str, access: str) -> Any:
    query = "?version_id=ver-00002&baseline_version_id=ver-00003"
    return read(f"{base_url}/api/v1/models/mdl-c41e08d5a7/performance/compare{query}", access)


def token_of_the_replica(settings: dict[str, str]) -> str:
    """Return a token of a user of the replica."""
    return access_token("vera", DATABASE_URL=settings["DATABASE_REPLICA_URLS"], **settings)


def test_a_pair_that_the_replica_does_not_have_yet_is_computed_once(tmp_path: Path, evaluated: dict[str, str]) -> None:
    access = token_of_the_replica(evaluated)
    primary = new_database(tmp_path)
    load_demo_data(DATABASE_URL=primary)

    with serve(DATABASE_URL=primary, **evaluated) as base_url:
        first = compare(base_url, access)
        rmtree(tmp_path / "storage" / "predictions")
        second = compare(base_url, access)

    assert first["pairing"] == "complete"
    assert first["metrics"]["roc_auc"]["confidence_interval"]["method"] == "paired_newcombe_5"
    assert second == first


def test_without_tables_in_the_primary_the_replica_is_read_and_pairs_are_independent(
    tmp_path: Path, evaluated: dict[str, str]
) -> None:
    """A pair that cannot be stored would be computed by every request."""
    access = token_of_the_replica(evaluated)

    with serve(DATABASE_URL=new_database(tmp_path), **evaluated) as base_url:
        assert read(f"{base_url}/api/v1/models/mdl-7f3a19bc92/performance/summary", access) == golden("summary")
        answer = compare(base_url, access)

    assert answer["pairing"] == "pending"
    assert answer["metrics"]["roc_auc"]["confidence_interval"]["method"] == "independent"


def read(url: str, access: str) -> Any:
    """Return the body that is answered to the bearer of a token."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {access}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        return json.loads(response.read())
