"""What a process imports, which costs each of them memory and the time to start."""

import os
import subprocess
import sys
from pathlib import Path

from tests.demo_data import access_token, load_demo_data
from tests.reliability.databases import new_database
from tests.serving import ROOT, new_keys

SCRIPT = """
import sys

import config.wsgi
from django.test import Client

[access] = sys.argv[1:]
answer = Client(headers={"Authorization": f"Bearer {access}"}).get("/api/v1/models/mdl-7f3a19bc92/performance/summary")
print(answer.status_code, "duckdb" in sys.modules)
"""


def test_a_web_process_does_not_import_duckdb(tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": new_database(tmp_path),
        "ALLOWED_HOSTS": "testserver",
        "HTTPS_ONLY": "false",
    } | new_keys()
    load_demo_data(**settings)
    access = access_token("vera", **settings)

    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **settings}
    command = [sys.executable, "-c", SCRIPT, access]
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)

    assert finished.stdout.split() == ["200", "False"]
