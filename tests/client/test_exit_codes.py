"""How a command ends that fails."""

import os
import subprocess
import sys
from pathlib import Path

URL = "http://127.0.0.1:9"  # nothing listens there


def test_an_error_that_nobody_expected_is_no_refusal_of_the_registry(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text("[" * 100_000)
    command = [sys.executable, "-m", "performance_registry", "register", "acme/churn", "--parameters", str(file)]
    environment = {**os.environ, "REGISTRY_URL": URL, "REGISTRY_TOKEN": "x"}

    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert (ended.returncode, "RecursionError" in ended.stderr) == (2, True)
