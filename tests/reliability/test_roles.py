"""The database role that runs the service: it can do all that the service does, and nothing to the schema."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import Request, urlopen

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection
from pytest_django.plugin import DjangoDbBlocker

from tests.demo_data import access_token, write_seed
from tests.originals import PASSWORD, as_role, migrate, name_of
from tests.reliability.databases import connected_to, new_database, printed
from tests.serving import new_keys, serve

pytestmark = [
    pytest.mark.served,
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles"),
]

POLICY = {"dataset_split": "test", "rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.5}]}
MODEL = "/api/v1/models/mdl-7f3a19bc92"
APPEND_ONLY = [
    "performance_metricsnapshot",
    "performance_snapshotdetail",
    "performance_misclassifiedexample",
    "performance_residualexample",
    "performance_snapshotslice",
    "performance_gatepolicy",
    "performance_gateverdict",
]
OWNER = "SELECT tableowner FROM pg_tables WHERE tablename = 'django_migrations'"
TRAIL = "models_registry_auditentry"
REFUSED = [
    f"TRUNCATE {TRAIL}",
    "TRUNCATE performance_metricsnapshot CASCADE",
    "TRUNCATE models_registry_idempotencykey",
    f"ALTER TABLE {TRAIL} DISABLE TRIGGER ALL",
    f"ALTER TABLE {TRAIL} ADD COLUMN more int",
    f"DROP TRIGGER {TRAIL}_append_only ON {TRAIL}",
    f"DROP TABLE {TRAIL} CASCADE",
    "DROP INDEX audit_by_actor",
    "CREATE OR REPLACE FUNCTION models_registry_refuse_change() RETURNS trigger LANGUAGE plpgsql "
    "AS $$ BEGIN RETURN OLD; END $$",
    "CREATE TABLE own (id int)",
    "CREATE TEMPORARY TABLE own (id int)",
    "CREATE SCHEMA own",
    "SET session_replication_role = replica",
    "INSERT INTO django_migrations (app, name, applied) VALUES ('x', 'y', now())",
    f"UPDATE {TRAIL} SET code = 'x'",
    f"DELETE FROM {TRAIL}",
    "UPDATE performance_metricsnapshot SET metrics = '{}'",
    *(f"DELETE FROM {table}" for table in APPEND_ONLY),
]


@dataclass(frozen=True)
class Roles:
    """A migrated database, by the role that owns its tables and the role that runs the service."""

    owner: dict[str, str]
    runtime: dict[str, str]
    runtime_name: str

    def execute(self, statement: str) -> None:
        """Run a statement as the role that runs the service."""
        with psycopg.connect(self.runtime["DATABASE_URL"]) as connected:
            connected.execute(statement)


@pytest.fixture(scope="module")
def roles(django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory) -> Roles:
    """Make a role to run the service, for the owner of the tables, and fill the database as that role."""
    runtime, folder = f"runtime_{secrets.token_hex(4)}", tmp_path_factory.mktemp("roles")
    url, seed = new_database(folder), folder / "seed.json"
    migrate(url)
    write_seed(seed, "mdl-7f3a19bc92", "mdl-5ad2c7710e")
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute(f"CREATE ROLE {runtime} LOGIN PASSWORD '{PASSWORD}'")
        [owner] = administrator.execute(OWNER).fetchone() or []
        administrator.execute(f"ALTER DATABASE {name_of(url)} OWNER TO {owner}")
    keys = new_keys()
    as_owner, as_runtime = ({"DATABASE_URL": as_role(url, name), **keys} for name in (owner, runtime))
    with django_db_blocker.unblock():
        with connected_to(as_owner["DATABASE_URL"]):
            call_command("grant_runtime_role", runtime)
        with connected_to(as_runtime["DATABASE_URL"]):
            call_command("seed", str(seed))
    return Roles(as_owner, as_runtime, runtime)


def ask(url: str, access: str, method: str, body: dict[str, Any] | None = None) -> Any:
    headers = {"Authorization": f"Bearer {access}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    with urlopen(Request(url, data, headers, method=method), timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read())


def test_the_runtime_role_does_all_that_the_service_does(roles: Roles) -> None:
    access = access_token("ada", **roles.runtime)
    with serve(**roles.runtime) as base_url:
        with urlopen(f"{base_url}/readyz") as ready:  # noqa: S310
            assert ready.status == 200
        model = f"{base_url}{MODEL}"
        ask(f"{model}/gate-policy", access, "PUT", POLICY)
        version = ask(f"{model}/versions", access, "POST", {})["version_id"]
        ask(f"{model}/versions/{version}", access, "PATCH", {"state": "completed"})
        report = {"dataset_split": "test", "metrics": {"accuracy": 0.99}, "custom_metrics": {"cost": 1}}
        ask(f"{model}/versions/{version}/snapshots", access, "POST", report)
        verdict = ask(f"{model}/performance/gate?version_id={version}", access, "GET")
        ask(f"{model}/versions/{version}/promote", access, "POST", {"reason": "better"})
        summary = ask(f"{model}/performance/summary", access, "GET")
        ask(f"{model}/rollback", access, "POST", {})

    assert verdict["status"] == "passed"
    assert summary["version_id"] == version


def test_the_runtime_role_purges(roles: Roles) -> None:
    old, young = (datetime.now(UTC) - timedelta(days=days) for days in (800, 1))
    with psycopg.connect(roles.runtime["DATABASE_URL"]) as connected:
        for then in (old, young):
            connected.execute(
                f"INSERT INTO {TRAIL} (timestamp, action, object_pk, object_repr, actor_name, method, path, code) "
                "VALUES (%s, 0, 'of the purge', '', '', '', '', '')",
                [then],
            )

    with connected_to(roles.runtime["DATABASE_URL"]):
        assert "Deleted 1 audit entries." in printed("purge").splitlines()
    with psycopg.connect(roles.runtime["DATABASE_URL"]) as connected:
        left = connected.execute(f"SELECT count(*) FROM {TRAIL} WHERE object_pk = 'of the purge'").fetchone()
    assert left == (1,)


@pytest.mark.parametrize("statement", REFUSED)
def test_the_database_refuses_the_runtime_role(roles: Roles, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)):
        roles.execute(statement)


def test_the_runtime_role_deletes_no_young_entry_as_a_purge(roles: Roles) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation):
        roles.execute(f"SET models_registry.purges_audit_trail = 'on'; DELETE FROM {TRAIL}")


def test_the_rights_can_be_granted_again_and_cover_later_tables(roles: Roles) -> None:
    with psycopg.connect(roles.owner["DATABASE_URL"]) as connected:
        connected.execute("CREATE TABLE later (id int)")
    roles.execute("INSERT INTO later VALUES (1)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        roles.execute("DELETE FROM later")

    with connected_to(roles.owner["DATABASE_URL"]):
        call_command("grant_runtime_role", roles.runtime_name)

    roles.execute("DELETE FROM later")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        roles.execute("TRUNCATE later")


def test_every_append_only_table_is_known(roles: Roles) -> None:
    with psycopg.connect(roles.owner["DATABASE_URL"]) as connected:
        found = connected.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE '%append_only' ORDER BY 1"
        ).fetchall()
        changeable = connected.execute(
            "SELECT name FROM unnest(%s::text[]) AS t (name) WHERE has_table_privilege(%s, name, 'UPDATE, TRUNCATE')",
            [[*APPEND_ONLY, TRAIL], roles.runtime_name],
        ).fetchall()

    assert [name for (name,) in found] == sorted([*APPEND_ONLY, TRAIL])
    assert changeable == []


def test_tables_in_another_schema_are_refused(roles: Roles) -> None:
    with psycopg.connect(roles.owner["DATABASE_URL"], autocommit=True) as connected:
        owner = connected.info.user
        connected.execute("CREATE SCHEMA other")
        connected.execute(f"ALTER ROLE {owner} SET search_path = other")
        try:
            with (
                connected_to(roles.owner["DATABASE_URL"]),
                pytest.raises(CommandError, match="The tables are in the schema other"),
            ):
                call_command("grant_runtime_role", roles.runtime_name)
        finally:
            connected.execute(f"ALTER ROLE {owner} RESET search_path")


def test_the_runtime_role_cannot_grant_itself_more(roles: Roles) -> None:
    with (
        connected_to(roles.runtime["DATABASE_URL"]),
        pytest.raises((CommandError, ProgrammingError), match="owner|permission"),
    ):
        call_command("grant_runtime_role", roles.runtime_name)


@pytest.mark.parametrize(("role", "why"), [("nobody_of_this_name", "There is no role"), ("postgres", "superuser")])
def test_a_role_that_cannot_be_held_to_its_rights_is_refused(role: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        call_command("grant_runtime_role", role)
