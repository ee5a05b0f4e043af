"""What compose.yaml promises: each service has limits, and only the proxy is reached from outside."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from django.db import connection

from tests.database import tool
from tests.deploy.proxy import TEMPLATE, VARIABLE
from tests.serving import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = ["migrate", "web", "worker", "proxy"]
RUNTIME, OWNER = "postgresql://registry_runtime:", "postgresql://registry:"
BODY_SIZE = ROOT / "deploy" / "nginx" / "15-body-size.envsh"
ROLES = ROOT / "deploy" / "postgres" / "10-roles.sh"


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_limits(name: str) -> None:
    assert re.fullmatch(r"[0-9]+[mg]", SERVICES[name]["mem_limit"])
    assert SERVICES[name]["pids_limit"] > 0


@pytest.mark.parametrize("name", OWN)
def test_each_container_is_read_only_and_has_no_privileges(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert SERVICES["proxy"]["ports"] == ["127.0.0.1:8000:8080"]
    assert SERVICES["web"]["environment"]["TRUSTED_PROXIES"] == "${TRUSTED_PROXIES:-1}"


def test_only_the_migrations_own_the_tables() -> None:
    urls = {name: str(service["environment"].get("DATABASE_URL", "")) for name, service in SERVICES.items()}

    assert [name for name, url in urls.items() if url.startswith(OWNER)] == ["migrate"]
    assert [name for name, url in urls.items() if url.startswith(RUNTIME)] == ["web", "worker"]


def test_the_proxy_has_every_variable_of_its_template() -> None:
    given = {name for name in SERVICES["proxy"]["environment"] if name.startswith("PROXY_")}

    assert given | {"PROXY_BODY_MB"} == set(VARIABLE.findall(TEMPLATE.read_text()))


def test_a_body_may_be_a_little_larger_than_an_upload() -> None:
    script = f'. "{BODY_SIZE}" && sh -c \'echo "$PROXY_BODY_MB"\''
    ended = subprocess.run(["sh", "-c", script], env={**os.environ, "MAX_UPLOAD_MB": "1024"}, capture_output=True)

    assert ended.stdout == b"1025\n"


@pytest.mark.parametrize("file", [BODY_SIZE, ROLES])
def test_the_images_run_what_is_executable(file: Path) -> None:
    assert os.access(file, os.X_OK)


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles")
def test_the_script_makes_the_role_and_may_be_run_again() -> None:
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server) as connected:
        host, user, database = connected.info.host, connected.info.user, connected.info.dbname
    environment = {
        "PATH": f"{tool('psql').parent}:{os.environ['PATH']}",
        "PGHOST": host,
        "POSTGRES_USER": user,
        "POSTGRES_DB": database,
        "RUNTIME_PASSWORD": 'it\'s "quoted"',
    }

    for _ in range(2):
        subprocess.run([ROLES], env=environment, check=True)

    with psycopg.connect(server) as connected:
        rights = connected.execute(
            "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'registry_runtime'"
        ).fetchone()
    assert rights == (True, False, False, False)
