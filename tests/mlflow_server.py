"""MLflow's own server, and scripts with its own client, in an environment whose Python `MLFLOW_PYTHON` names."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.serving import free_port

PYTHON = os.environ.get("MLFLOW_PYTHON", "")
PATIENCE = 300  # seconds until the server answers, whose first start compiles many packages
ENVIRONMENT = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
LOGIN = {"MLFLOW_TRACKING_USERNAME": "mona", "MLFLOW_TRACKING_PASSWORD": "of a good length"}
NEEDS_MLFLOW = pytest.mark.skipif(not PYTHON, reason="MLFLOW_PYTHON names no Python with MLflow; see CONTRIBUTING.md")
CONFIGURATION = f"""
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{{folder}}/users.sqlite3
admin_username = {LOGIN["MLFLOW_TRACKING_USERNAME"]}
admin_password = {LOGIN["MLFLOW_TRACKING_PASSWORD"]}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run MLflow's server on an empty database, with the login `LOGIN`, and yield its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    configuration = folder / "login.ini"
    configuration.write_text(CONFIGURATION.format(folder=folder))
    database = ("--backend-store-uri", f"sqlite:///{folder}/mlflow.sqlite3", "--artifacts-destination", str(folder))
    options = ("--app-name", "basic-auth", "--port", str(port), "--workers", "1", *database)
    environment = {**ENVIRONMENT, "MLFLOW_AUTH_CONFIG_PATH": str(configuration), "MLFLOW_FLASK_SERVER_SECRET_KEY": "x"}
    command = [PYTHON, "-m", "mlflow", "server", *options]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, process_group=0)
        try:
            _wait(url, server, Path(log.name))
            yield url
        finally:
            os.killpg(server.pid, 15)
            server.wait(timeout=30)


def run_script(script: Path, *arguments: str, folder: Path) -> Any:
    """Run a script of MLflow's client, logged in, and return the JSON of its last line.

    The client leaves a database in `folder`.
    """
    command, environment = [PYTHON, str(script), *arguments], {**ENVIRONMENT, **LOGIN}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def _wait(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        try:
            urlopen(f"{url}/health", timeout=5).close()  # noqa: S310  # our own server
            return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise TimeoutError(f"MLflow's server did not start. It wrote:\n{log.read_text()}")
