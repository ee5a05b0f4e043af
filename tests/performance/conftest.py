"""What tests on Apache Spark need."""

import os
import shutil
from importlib.util import find_spec

import pytest


@pytest.fixture(scope="session")
def spark_is_there(request: pytest.FixtureRequest) -> None:
    """Skip what needs Spark where it is not; fail in CI, if the tests on Spark are what is run."""
    packages = [package for package in ("pyspark", "sqlglot") if find_spec(package) is None]
    missing = packages + ([] if shutil.which("java") or os.environ.get("JAVA_HOME") else ["Java 17"])
    if not missing:
        return
    remedy = "uv run --group dev --extra spark, and on Debian openjdk-17-jre-headless"
    reason = f"There is no {' and no '.join(missing)}: {remedy}."
    if os.environ.get("CI") and request.config.getoption("markexpr") == "spark":
        pytest.fail(reason)
    pytest.skip(reason)
