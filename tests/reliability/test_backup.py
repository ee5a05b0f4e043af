"""A backup made during many writes restores to a database whose invariants hold."""

import sqlite3
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from tests.concurrency.together import ask
from tests.conftest import authenticated
from tests.database import tool
from tests.reliability.databases import new_database, url_of_the_tests

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rows_can_be_cleaned_up")]

WRITERS, ROUNDS_BEFORE = 4, 5
Rows = list[tuple[Any, ...]]

# Each finds what must not be.
VIOLATIONS = {
    "a model's promoted version is not its last promotion's": """
        SELECT model.model_id FROM models_registry_registeredmodel model
        LEFT JOIN models_registry_promotion last ON last.id = (
            SELECT max(id) FROM models_registry_promotion WHERE model_id = model.model_id)
        WHERE coalesce(model.promoted_version_id, 0) <> coalesce(last.version_id, 0)""",
    "a promotion does not follow from the one before": """
        SELECT promotion.id FROM models_registry_promotion promotion
        LEFT JOIN models_registry_promotion before ON before.id = (
            SELECT max(id) FROM models_registry_promotion
            WHERE model_id = promotion.model_id AND id < promotion.id)
        WHERE coalesce(promotion.previous_version_id, 0) <> coalesce(before.version_id, 0)""",
    "a model's version numbers have a gap": """
        SELECT model_id FROM models_registry_version GROUP BY model_id HAVING count(*) <> max(number)""",
    "a snapshot has lost its detail, or a detail its snapshot": """
        SELECT snapshot.id FROM performance_metricsnapshot snapshot
        LEFT JOIN performance_snapshotdetail detail ON detail.snapshot_id = snapshot.id
        WHERE detail.snapshot_id IS NULL""",
    "a key answers for a version that is not there": """
        SELECT stored.key FROM models_registry_idempotencykey stored
        WHERE (SELECT count(*) FROM models_registry_version) < (SELECT count(*) FROM models_registry_idempotencykey)""",
}
SNAPSHOTS = "SELECT count(*) FROM performance_metricsnapshot"


def write(client: Client, model: RegisteredModel, rounds: list[int], enough: Event, over: Event) -> None:
    """Create, complete, evaluate and promote version after version, and note in `rounds` each that was acknowledged."""
    url = f"/models/{model.pk}"
    while not over.is_set():
        key = {"Idempotency-Key": f"{model.pk} {len(rounds)}"}
        version_id = ask(client, "POST", f"{url}/versions", {}, **key).json()["version_id"]
        version = f"{url}/versions/{version_id}"
        body = {"dataset_split": "test", "metrics": {"rmse": 0.5}, "custom_metrics": {"cost": 1}}
        ask(client, "PATCH", version, {"state": "completed"})
        assert ask(client, "POST", f"{version}/snapshots", body).status_code == 201
        rounds.append(1)
        assert ask(client, "POST", f"{version}/promote", {}).status_code == 200
        if len(rounds) >= WRITERS * ROUNDS_BEFORE:
            enough.set()


def by_pg_dump(folder: Path) -> Callable[[str], Rows]:
    """Dump the tests' database, restore the dump into another, and return how to ask that."""
    restored = new_database(folder)
    dump = folder / "backup.dump"
    subprocess.run([tool("pg_dump"), "--format=custom", f"--file={dump}", url_of_the_tests()], check=True)
    subprocess.run([tool("pg_restore"), "--no-owner", "--exit-on-error", f"--dbname={restored}", dump], check=True)

    def query(sql: str) -> Rows:
        with psycopg.connect(restored) as asked:
            return asked.execute(sql).fetchall()

    return query


def by_backup(folder: Path) -> Callable[[str], Rows]:
    """Copy SQLite's file as the command `.backup` does, and return how to ask the copy."""
    with closing(sqlite3.connect(url_of_the_tests())) as source, closing(sqlite3.connect(folder / "copy")) as copy:
        source.backup(copy, pages=50, sleep=0.01)
    return lambda sql: query_of(folder / "copy", sql)


def by_vacuum(folder: Path) -> Callable[[str], Rows]:
    """Write SQLite's database to another file in one statement, and return how to ask the copy.

    By Django's connection, as a check of the tables calls for its function REGEXP.
    """
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(folder / "vacuumed")])
    return lambda sql: query_of(folder / "vacuumed", sql)


def query_of(file: Path, sql: str) -> Rows:
    with closing(sqlite3.connect(file)) as asked:
        return asked.execute(sql).fetchall()


WAYS = [by_pg_dump] if connection.vendor == "postgresql" else [by_backup, by_vacuum]


@pytest.mark.parametrize("back_up", WAYS)
def test_a_backup_under_writes_restores_to_a_whole(
    back_up: Callable[[Path], Callable[[str], Rows]], acme: Organization, admin: User, tmp_path: Path
) -> None:
    models = [
        RegisteredModel.objects.create(organization=acme, name=f"model {i}", task_type="regression")
        for i in range(WRITERS)
    ]
    rounds: list[int] = []
    enough, over = Event(), Event()
    with ThreadPoolExecutor(WRITERS) as threads:
        writing = [threads.submit(write, authenticated(admin), model, rounds, enough, over) for model in models]
        try:
            assert enough.wait(timeout=60)
            acknowledged = len(rounds)
            query = back_up(tmp_path)
        finally:
            over.set()
    for one in writing:
        one.result()

    assert {name: query(sql) for name, sql in VIOLATIONS.items()} == dict.fromkeys(VIOLATIONS, [])
    assert acknowledged <= query(SNAPSHOTS)[0][0] <= len(rounds)
    assert len(rounds) > acknowledged  # there were writes meanwhile
