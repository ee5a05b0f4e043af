"""The set-up of tests on Apache Spark."""

import os
import shutil
from importlib.util import find_spec

import pytest

# Java compiles what runs often only once over, as the tests end before more would pay.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@pytest.fixture(scope="session")
def spark_is_there(request: pytest.FixtureRequest) -> None:
    """Skip tests that need Spark if it is missing; in CI, fail if the tests on Spark were asked for."""
    packages = [package for package in ("pyspark", "sqlglot") if find_spec(package) is None]
    missing = packages + ([] if shutil.which("java") or os.environ.get("JAVA_HOME") else ["Java 17"])
    if not missing:
        os.environ["PYSPARK_SUBMIT_ARGS"] = f"--driver-java-options '{JAVA_OPTIONS}' pyspark-shell"
        return
    remedy = "uv run --group dev --extra spark, and on Debian openjdk-17-jre-headless"
    reason = f"There is no {' and no '.join(missing)}: {remedy}."
    if os.environ.get("CI") and request.config.getoption("markexpr") == "spark":
        pytest.fail(reason)
    pytest.skip(reason)
