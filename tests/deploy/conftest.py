"""Tools that the tests of the deployment drive."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def nginx() -> str:
    """Return where nginx is. Without it the tests are skipped; in CI they fail."""
    if found := shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin"):
        return found
    missing = "There is no nginx: install the package `nginx-light` to test the proxy."
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
